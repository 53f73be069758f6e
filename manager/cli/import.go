package cli

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/rest"
)

func (c *command) keysImport() *cobra.Command {
	var file string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "import -f FILE",
		Short: "Take over keys that were made elsewhere, by their SHA-256",
		Long: `Takes keys over, all or nothing, so that partners can go on with what they have. The keys themselves stay where they are: FILE has
their SHA-256 in hexadecimal, as printf %s "$KEY" | sha256sum gives it.

FILE is CSV with a first line of names, or one JSON object a line; both have partner, application, environment, sha256, and
may have id (8 to 63 of a-z, 0-9 and -; drawn where it is empty) and expires_at (2030-01-31T12:00:00Z). An id of 12 characters of
a-z and 2-7 says that the key is a pgk_ key of another Partnergate.

Keys of another form than pgk_… have 8 to 256 bytes and are sent in the header x-api-key. A key that is there already stays as it
is, so that an import can be repeated. Rotating an imported key gives one of the usual form.`,
		Example: `  partnergate keys import -f keys.csv --dry-run`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			keys, lines, err := c.readKeys(file)
			if err != nil {
				return err
			}
			api, err := c.client()
			if err != nil {
				return err
			}
			done := c.slowly("Importing %s", count(len(keys), "key"))
			result, err := api.ImportKeys(cmd.Context(), keys, dryRun)
			done()
			if err != nil {
				return placedKeys(err, file, lines)
			}
			return c.print(result, func(t *table) { showImported(t, result, dryRun) })
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "CSV or JSON lines; - for standard input")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check everything and change nothing")
	required(cmd, "file")
	return c.printsAnswer(cmd)
}

func showImported(t *table, result *manager.ImportResult, dryRun bool) {
	made := 0
	for _, r := range result.Results {
		if r.Action == manager.ActionCreated {
			made++
		}
	}
	t.note("%s imported, %d there already.", count(made, "key"), len(result.Results)-made)
	if dryRun {
		t.note("Dry run: nothing was changed. Policy version %d.", result.PolicyVersion)
		return
	}
	t.note("Policy version %d.", result.PolicyVersion)
}

// keyFields are the columns of a file of keys.
var keyFields = []string{"id", "partner", "application", "environment", "sha256", "expires_at"}

// readKeys reads a file of keys, with the line of each.
func (c *command) readKeys(file string) (keys []rest.ImportedKey, lines []int, err error) {
	var data []byte
	if file == "-" {
		data, err = io.ReadAll(c.process.Stdin)
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the keys: %w", err)
	}
	read := readKeysCSV
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		read = readKeysJSON
	}
	var problems []manager.Field
	keys, lines, problems = read(bytes.TrimPrefix(data, []byte("\ufeff")))
	for i := range problems {
		problems[i].File = file
	}
	if len(problems) > 0 {
		return nil, nil, &manager.Error{Code: manager.CodeInvalid, Message: "the file of keys has mistakes", Fields: problems}
	}
	if len(keys) == 0 {
		return nil, nil, fmt.Errorf("%s has no keys; it is CSV with the columns %s, or one JSON object a line", file, strings.Join(keyFields, ", "))
	}
	return keys, lines, nil
}

func readKeysJSON(data []byte) (keys []rest.ImportedKey, lines []int, problems []manager.Field) {
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, 1<<20)
	line := 0
	for scanner.Scan() {
		line++
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		var key rest.ImportedKey
		d := json.NewDecoder(bytes.NewReader(scanner.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&key); err != nil {
			problems = append(problems, manager.Field{Line: line, Message: "this is no key: " + err.Error() + "; the fields are " + strings.Join(keyFields, ", ")})
			continue
		}
		keys, lines = append(keys, key), append(lines, line)
	}
	if err := scanner.Err(); err != nil {
		problems = append(problems, manager.Field{Line: line + 1, Message: err.Error()})
	}
	return keys, lines, problems
}

func readKeysCSV(data []byte) (keys []rest.ImportedKey, lines []int, problems []manager.Field) {
	r := csv.NewReader(bytes.NewReader(data))
	r.TrimLeadingSpace, r.ReuseRecord, r.Comment = true, true, '#'
	var head []string
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return keys, lines, problems
		}
		if err != nil {
			return keys, lines, append(problems, csvProblem(err))
		}
		line, _ := r.FieldPos(0)
		if head == nil {
			head = slices.Clone(record)
			if problems = headProblems(head, line); len(problems) > 0 {
				return nil, nil, problems
			}
			continue
		}
		key, problem := keyOfRecord(head, record)
		if problem != nil {
			problem.Line = line
			problems = append(problems, *problem)
		}
		keys, lines = append(keys, key), append(lines, line)
	}
}

func csvProblem(err error) manager.Field {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return manager.Field{Line: parse.Line, Message: parse.Err.Error()}
	}
	return manager.Field{Message: err.Error()}
}

func headProblems(head []string, line int) (problems []manager.Field) {
	for i, name := range head {
		if head[i] = strings.ToLower(strings.TrimSpace(name)); !slices.Contains(keyFields, head[i]) {
			problems = append(problems, manager.Field{Line: line, Path: name, Message: "is no column here; the columns are " + strings.Join(keyFields, ", ")})
		}
	}
	for _, name := range keyFields[1:5] {
		if !slices.Contains(head, name) {
			problems = append(problems, manager.Field{Line: line, Path: name, Message: "is missing from the first line; add the column"})
		}
	}
	return problems
}

func keyOfRecord(head, record []string) (key rest.ImportedKey, problem *manager.Field) {
	fields := map[string]*string{"id": &key.ID, "partner": &key.Partner, "application": &key.Application, "environment": &key.Environment, "sha256": &key.SHA256}
	for i, name := range head {
		value := strings.TrimSpace(record[i])
		if name != "expires_at" {
			*fields[name] = strings.Clone(value)
			continue
		}
		if value == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, value)
		if err != nil {
			problem = &manager.Field{Path: name, Message: fmt.Sprintf("%q is no time; write it as 2030-01-31T12:00:00Z", value)}
			continue
		}
		key.ExpiresAt = &at
	}
	return key, problem
}

var keyPath = regexp.MustCompile(`credentials\[(\d+)\]\.?`)

// placedKeys gives what the manager found wrong the line that it is about.
func placedKeys(err error, file string, lines []int) error {
	var p *client.Problem
	if !errors.As(err, &p) || len(p.Errors) == 0 {
		return err
	}
	placed := &manager.Error{Code: manager.CodeInvalid, Message: p.Detail}
	for _, f := range p.Errors {
		if line := lineOfKey(f.Path, lines); line > 0 {
			f.File, f.Line, f.Path = file, line, keyPath.ReplaceAllString(f.Path, "")
		}
		f.Message = keyPath.ReplaceAllStringFunc(f.Message, func(key string) string {
			return fmt.Sprintf("line %d", lineOfKey(key, lines))
		})
		placed.Fields = append(placed.Fields, f)
	}
	return placed
}

// lineOfKey is the line of the key that a path such as credentials[3].id is about; 0 where it is about none.
func lineOfKey(path string, lines []int) int {
	m := keyPath.FindStringSubmatch(path)
	if m == nil {
		return 0
	}
	i, err := strconv.Atoi(m[1])
	if err != nil || i >= len(lines) {
		return 0
	}
	return lines[i]
}
