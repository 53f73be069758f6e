package main

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// TestExamplesOfTheAPI runs the shell of docs/manager-api.md on the sample estate.
func TestExamplesOfTheAPI(t *testing.T) {
	page, err := os.ReadFile("../../../docs/manager-api.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(page, -1)
	if len(examples) == 0 {
		t.Fatal("the page has no examples")
	}
	s := startManager(t)
	for _, example := range examples {
		command := exec.CommandContext(t.Context(), "sh", "-ec", string(example[1]))
		command.Env = append(os.Environ(), "PARTNERGATE_URL="+s.URL(), "PARTNERGATE_ADMIN_TOKEN="+adminToken)
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s\n%s", err, example[1], out)
		} else {
			t.Logf("%s", out)
		}
	}
}
