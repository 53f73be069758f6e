package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/sqlite"
	"github.com/partnergate/partnergate/manager/storetest"
)

// writerVariable names the file to which this test binary, started by
// TestKilled as a process of its own, writes until it is killed.
const writerVariable = "PARTNERGATE_TEST_WRITE_UNTIL_KILLED"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerVariable); path != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(path))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func opened(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		path := filepath.Join(t.TempDir(), "store.db")
		return func(t *testing.T) manager.Store { return opened(t, path) }
	})
}

// writeUntilKilled prints the number of each revision once it is stored. Every
// revision holds its number twice.
func writeUntilKilled(path string) error {
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return err
	}
	for revision := int64(0); ; revision++ {
		var changes []manager.Change
		for _, name := range []string{"first", "last"} {
			plan := &manager.Plan{Metadata: manager.Metadata{Name: name, Revision: revision + 1}}
			changes = append(changes, manager.Change{Ref: plan.Ref(), After: plan})
		}
		stored, err := s.CommitPolicy(context.Background(), manager.PolicyCommit{Revision: revision, Changes: changes})
		if err != nil {
			return err
		}
		fmt.Println(stored)
	}
}

// TestKilled kills a process in the middle of its writing: what it had
// acknowledged is there, and no half of a commit is.
func TestKilled(t *testing.T) {
	for round := range 3 {
		path := filepath.Join(t.TempDir(), "store.db")
		acknowledged := killAfter(t, path, 20+7*round)
		s := opened(t, path)
		policy, err := s.LoadPolicy(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if policy.Revision < acknowledged {
			t.Errorf("revision %d is stored, %d was acknowledged", policy.Revision, acknowledged)
		}
		for _, r := range policy.Resources {
			if r.Meta().Revision != policy.Revision {
				t.Errorf("revision %d holds %s of revision %d", policy.Revision, r.Meta().Name, r.Meta().Revision)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	reliability.Record(t, reliability.Row{
		Fault:    "SQLite: the process is killed while it writes",
		Done:     "SIGKILL after 20, 27 and 34 commits, the file opened again",
		Promised: "what was acknowledged is there, and no change by halves",
		Seen:     "as promised",
	})
}

// killAfter returns the last revision that the process acknowledged before it was killed.
func killAfter(t *testing.T, path string, commits int) (last int64) {
	t.Helper()
	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), writerVariable+"="+path)
	writer.Stderr = os.Stderr
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == commits {
			if err := writer.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	if last < int64(commits) {
		t.Fatalf("only %d commits were acknowledged", last)
	}
	return last
}
