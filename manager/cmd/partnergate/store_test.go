package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// answers are those of a server, one for each question; the last one is for all that follow.
type answers [][]string

func (a *answers) Managers(context.Context) ([]string, error) {
	found := (*a)[0]
	if len(*a) > 1 {
		*a = (*a)[1:]
	}
	return found, nil
}

type secretive struct{}

func (secretive) Managers(context.Context) ([]string, error) {
	return nil, errors.New("not authorized")
}

func TestNoManagers(t *testing.T) {
	t.Parallel()
	none := func(warning string) { t.Errorf("a warning: %s", warning) }
	if err := noManagers(t.Context(), &answers{{"db1:1"}, {}}, none); err != nil {
		t.Errorf("a manager that leaves: %v", err)
	}
	ten := strings.Fields(strings.Repeat("db1:1 ", 10))
	if err := noManagers(t.Context(), &answers{ten}, none); err == nil || !strings.Contains(err.Error(), "db1:1, db1:1 and 2 more") {
		t.Errorf("a manager that stays: %v", err)
	}
	var warned string
	if err := noManagers(t.Context(), secretive{}, func(warning string) { warned = warning }); err != nil || !strings.Contains(warned, "not authorized") {
		t.Errorf("a server that does not tell: %v, and the warning %q", err, warned)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := noManagers(ended, secretive{}, none); !errors.Is(err, context.Canceled) {
		t.Errorf("at the end: %v", err)
	}
}
