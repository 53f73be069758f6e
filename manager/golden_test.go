package manager_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/documents"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden runs each testdata/<folder>/*.in.yaml and compares what run says with
// the file *.out.txt beside it.
func golden(t *testing.T, folder string, run func(t *testing.T, file string, data []byte) string) {
	t.Helper()
	inputs, err := filepath.Glob(filepath.Join("testdata", folder, "*.in.yaml"))
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no inputs in testdata/%s: %v", folder, err)
	}
	for _, input := range inputs {
		name := strings.TrimSuffix(filepath.Base(input), ".in.yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			got := run(t, filepath.Base(input), data)
			output := strings.TrimSuffix(input, ".in.yaml") + ".out.txt"
			if *update {
				if err := os.WriteFile(output, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(output)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("run with -update if this is right (- want, + got):\n%s", diff)
			}
		})
	}
}

// describe writes an error as golden files keep it.
func describe(err error) string {
	if err == nil {
		return "valid\n"
	}
	var e *manager.Error
	if !errors.As(err, &e) {
		return fmt.Sprintf("an error that nobody can act on: %v\n", err)
	}
	return fmt.Sprintf("%s %s\n%s\n", e.Code, e.Reason, e.Error())
}

// TestDocuments reads documents and validates them, as `validate` does.
func TestDocuments(t *testing.T) {
	golden(t, "documents", func(t *testing.T, file string, data []byte) string {
		read, err := manager.ReadDocuments(file, data, openTestdata)
		if err != nil {
			return describe(err)
		}
		return describe(manager.Locate(manager.Validate(documents.Resources(read)), read))
	})
}

// TestPolicy applies documents to the estate, without storing them.
func TestPolicy(t *testing.T) {
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	golden(t, "policy", func(t *testing.T, file string, data []byte) string {
		read, err := manager.ReadDocuments(file, data, openTestdata)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Apply(context.Background(), files, documents.Resources(read), manager.ApplyOptions{DryRun: true})
		return describe(manager.Locate(err, read))
	})
}
