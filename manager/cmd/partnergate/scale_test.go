package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

// TestApplyManyAndMuch applies more than 10,000 resources in more than 6 MB, of which one is wrong at first: nothing is applied then,
// and the error names its line.
func TestApplyManyAndMuch(t *testing.T) {
	t.Parallel()
	const applications, products = 10_000, 5
	s := startManager(t)
	version := s.Service().PolicyVersion()
	var policy strings.Builder
	policy.WriteString("apiVersion: partnergate.dev/v1alpha1\nkind: Partner\nmetadata: {name: many}\nspec: {}\n")
	for i := range products {
		fmt.Fprintf(&policy, "---\napiVersion: partnergate.dev/v1alpha1\nkind: Product\nmetadata: {name: large-%d}\nspec:\n  basePath: /large-%d\n  openapi: openapi.json\n", i, i)
	}
	for i := range applications {
		fmt.Fprintf(&policy, "---\napiVersion: partnergate.dev/v1alpha1\nkind: Application\nmetadata: {name: app-%d, partner: many}\nspec: {title: The application %d}\n", i, i)
	}
	good := policy.String()
	bad := good + "---\napiVersion: partnergate.dev/v1alpha1\nkind: Application\nmetadata: {name: last, partner: nobody}\nspec: {}\n"
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.yaml")
	openAPI := fmt.Sprintf(`{"openapi": "3.1.0", "info": {"title": "Large", "version": "1", "description": %q}, "paths": {}}`, strings.Repeat("It is large. ", 120_000))
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "openapi.json"), openAPI)
	write(file, bad)

	code, _, errors := operator(t, s, "apply", "-f", file)
	want := fmt.Sprintf("%s:%d: Application nobody/last: metadata.partner: there is no partner nobody", file, strings.Count(good, "\n")+4)
	if code != 1 || !strings.Contains(errors, want) {
		t.Errorf("exit code %d, %.500s; want %s", code, errors, want)
	}
	if s.Service().PolicyVersion() != version {
		t.Error("a part of it was applied")
	}
	write(file, good)
	code, out, errors := operator(t, s, "apply", "-f", file, "-o", "json")
	if code != 0 {
		t.Fatal(errors)
	}
	var result manager.ApplyResult
	if err := json.Unmarshal([]byte(out), &result); err != nil || len(result.Results) != 1+products+applications || result.PolicyVersion != version+1 {
		t.Errorf("%v: %d results, version %d", err, len(result.Results), result.PolicyVersion)
	}
	if code, out, errors := operator(t, s, "diff", "-f", file); code != 0 || !strings.Contains(out, "No differences in 10006 resources") {
		t.Errorf("exit code %d: %.500s%s", code, out, errors)
	}
}
