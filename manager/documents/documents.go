// Package documents reads resource files and folders for the commands that need them.
package documents

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/partnergate/partnergate/manager"
)

// extensions are the names of files that can hold resources.
var extensions = []string{".yaml", ".yml", ".json"}

// ReadPath reads the resources of a file, of a folder with all below it in the
// order of names, or of stdin where path is "-".
func ReadPath(name string, stdin io.Reader) ([]manager.Document, error) {
	if name == "-" {
		data, err := io.ReadAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return nonEmpty("standard input")(manager.ReadDocuments("-", data, openBeside(".")))
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w; give a file, a folder, or - for standard input", name, plainPathError(err))
	}
	if info.IsDir() {
		return nonEmpty(name)(ReadFolder(os.DirFS(name), name))
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, plainPathError(err))
	}
	return nonEmpty(name)(manager.ReadDocuments(name, data, openBeside(filepath.Dir(name))))
}

// nonEmpty takes nothing at all for a mistake: with --prune it would delete everything.
func nonEmpty(place string) func([]manager.Document, error) ([]manager.Document, error) {
	return func(documents []manager.Document, err error) ([]manager.Document, error) {
		if err == nil && len(documents) == 0 {
			return nil, fmt.Errorf("%s has no resources; each begins with apiVersion: %s", place, manager.APIVersion)
		}
		return documents, err
	}
}

func plainPathError(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// openBeside opens the paths that a document names, relative to its folder.
func openBeside(dir string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		name = filepath.Join(dir, filepath.FromSlash(name))
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, plainPathError(err))
		}
		return data, nil
	}
}

// ReadFolder reads all resource files of a file system. OpenAPI documents lie
// there too, beside the products that name them; they are passed over, as is
// what is hidden, such as .github. All wrong files are reported together.
func ReadFolder(files fs.FS, label string) ([]manager.Document, error) {
	var all []manager.Document
	var problems []error
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if hidden := name != "." && strings.HasPrefix(entry.Name(), "."); hidden && entry.IsDir() {
			return fs.SkipDir
		} else if hidden || entry.IsDir() || !slices.Contains(extensions, path.Ext(name)) {
			return nil
		}
		documents, err := readFile(files, name, filepath.Join(label, filepath.FromSlash(name)))
		if err != nil {
			problems = append(problems, err)
		}
		all = append(all, documents...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", label, err)
	}
	return all, joinProblems(append(problems, twice(all)...))
}

// twice finds resources that stand in two files; within one they are found in reading it.
func twice(all []manager.Document) (problems []error) {
	first := make(map[manager.Ref]*manager.Document, len(all))
	for i := range all {
		d, ref := &all[i], all[i].Resource.Ref()
		before, there := first[ref]
		if !there {
			first[ref] = d
			continue
		}
		field := manager.Field{File: d.File, Line: d.Line, Path: "metadata.name",
			Message: fmt.Sprintf("%s stands twice, first in %s:%d; keep one", ref, before.File, before.Line)}
		problems = append(problems, &manager.Error{Code: manager.CodeInvalid, Message: d.File + ": 1 problem", Fields: []manager.Field{field}})
	}
	return problems
}

func readFile(files fs.FS, name, label string) ([]manager.Document, error) {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", label, plainPathError(err))
	}
	if isOpenAPI(data) {
		return nil, nil
	}
	return manager.ReadDocuments(label, data, func(beside string) ([]byte, error) {
		target := path.Join(path.Dir(name), beside)
		found, err := fs.ReadFile(files, target)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Join(filepath.Dir(label), filepath.FromSlash(beside)), plainPathError(err))
		}
		return found, nil
	})
}

// isOpenAPI tells an OpenAPI document by its top level: openapi or swagger, and
// no apiVersion. A file with more than one document is none.
func isOpenAPI(data []byte) bool {
	var head struct {
		APIVersion string `yaml:"apiVersion"`
		OpenAPI    any    `yaml:"openapi"`
		Swagger    any    `yaml:"swagger"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	if decoder.Decode(&head) != nil || head.APIVersion != "" || head.OpenAPI == nil && head.Swagger == nil {
		return false
	}
	return errors.Is(decoder.Decode(new(any)), io.EOF)
}

// joinProblems makes one error of the invalid inputs of several files.
func joinProblems(problems []error) error {
	if len(problems) < 2 {
		return errors.Join(problems...)
	}
	var lines []string
	for _, p := range problems {
		lines = append(lines, strings.ReplaceAll(p.Error(), "\n", "\n  "))
	}
	return fmt.Errorf("%d files have mistakes:\n  %s", len(problems), strings.Join(lines, "\n  "))
}

// Resources are the resources of documents.
func Resources(documents []manager.Document) []manager.Resource {
	resources := make([]manager.Resource, len(documents))
	for i, d := range documents {
		resources[i] = d.Resource
	}
	return resources
}
