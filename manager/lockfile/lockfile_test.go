package lockfile_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager/lockfile"
)

// holdVariable makes the test binary hold the lock of a file until it is killed.
const holdVariable = "LOCKFILE_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdVariable); path != "" {
		_, err := lockfile.Take(path)
		fmt.Println("taken", err)
		_, _ = os.Stdin.Read(make([]byte, 1)) // it ends with the test at the latest
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	first, err := lockfile.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	var held *lockfile.HeldError
	if _, err := lockfile.Take(path); !errors.As(err, &held) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) || held.Path != path {
		t.Errorf("the second got it: %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := lockfile.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
	if err := (*lockfile.Lock)(nil).Release(); err != nil {
		t.Error(err)
	}
	if _, err := lockfile.Take(filepath.Join(t.TempDir(), "nowhere", "x.lock")); err == nil || errors.As(err, &held) {
		t.Errorf("without a folder: %v", err)
	}
}

// TestKilledHolder: a killed process leaves the file, and no lock.
func TestKilledHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holdVariable+"="+path)
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }() // the process has ended
	stdout, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "taken <nil>\n" {
		t.Errorf("the other process: %q, %v", line, err)
	}
	if _, err := lockfile.Take(path); err == nil || !strings.Contains(err.Error(), "process "+strconv.Itoa(other.Process.Pid)) {
		t.Errorf("while it is held: %v", err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // it was killed
	l, err := lockfile.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}
