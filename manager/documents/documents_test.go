package documents_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/partnergate/partnergate/manager/documents"
)

const plan = "apiVersion: partnergate.dev/v1alpha1\nkind: Plan\nmetadata: {name: one}\nspec: {}\n"

func TestReadFolder(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int    // resources
		err   string // part of the error; empty: none
	}{
		{"files of all three names", map[string]string{"a.yaml": plan, "b/b.yml": strings.Replace(plan, "one", "two", 1),
			"c.json": `{"apiVersion":"partnergate.dev/v1alpha1","kind":"Plan","metadata":{"name":"three"},"spec":{}}`}, 3, ""},
		{"OpenAPI documents are passed over", map[string]string{"a.yaml": plan, "o/3.yaml": "openapi: 3.1.0\npaths: {}\n", "o/2.json": `{"swagger":"2.0"}`}, 1, ""},
		{"other files are passed over", map[string]string{"a.yaml": plan, "README.md": "# hello", "b.yaml.bak": "{"}, 1, ""},
		{"hidden files and folders are passed over", map[string]string{"a.yaml": plan, ".b.yaml": "a: 1", ".github/workflows/ci.yaml": "on: push\n"}, 1, ""},
		{"a stranger is named", map[string]string{"a.yaml": plan, "x/values.yaml": "replicas: 3\n"}, 0, "top/x/values.yaml"},
		{"an OpenAPI document does not hide others in its file", map[string]string{"a.yaml": "openapi: 3.1.0\npaths: {}\n---\n" + plan}, 0, "top/a.yaml:1"},
		{"a resource in two files is named with both", map[string]string{"a.yaml": plan, "b/c.yaml": "---\n" + plan}, 0,
			"top/b/c.yaml:2: metadata.name: Plan one stands twice, first in top/a.yaml:1; keep one"},
		{"all bad files are named", map[string]string{"a.yaml": "a: 1", "b.yaml": "b: 2"}, 0, "2 files have mistakes"},
		{"a product's document is looked for beside it", map[string]string{
			"p/p.yaml":   "apiVersion: partnergate.dev/v1alpha1\nkind: Product\nmetadata: {name: p}\nspec: {openapi: o/p.yaml, environments: {sandbox: {hosts: [p.test]}}}\n",
			"p/o/p.yaml": "openapi: 3.1.0\ninfo: {title: P, version: '1'}\npaths: {}\n"}, 1, ""},
		{"a product's document is looked for nowhere else", map[string]string{
			"p/p.yaml": "apiVersion: partnergate.dev/v1alpha1\nkind: Product\nmetadata: {name: p}\nspec: {openapi: ../o/p.yaml, environments: {sandbox: {hosts: [p.test]}}}\n",
			"o/p.yaml": "openapi: 3.1.0\ninfo: {title: P, version: '1'}\npaths: {}\n"}, 0, `top/p/p.yaml:4: spec.openapi: "../o/p.yaml" leads out of this file's folder`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{}
			for name, text := range c.files {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			read, err := documents.ReadFolder(files, "top")
			if c.err == "" && (err != nil || len(read) != c.want) {
				t.Errorf("%d resources, %v", len(read), err)
			}
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
