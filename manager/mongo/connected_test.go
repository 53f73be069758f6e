package mongo_test

import (
	"testing"

	"github.com/partnergate/partnergate/manager/mongo"
)

// TestManagers finds the connections of managers to the same database, and no others.
func TestManagers(t *testing.T) {
	t.Parallel()
	url := newURL()
	command, err := mongo.OpenForCommand(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Close() }() // the end of the test
	second, err := mongo.OpenForCommand(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }() // the end of the test
	elsewhere := opened(t, newURL())
	defer func() { _ = elsewhere.Close() }() // the end of the test
	seen := func() []string {
		t.Helper()
		found, err := command.Managers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := seen(); len(found) != 0 {
		t.Errorf("with commands and another database's manager alone: %q", found)
	}
	manager := opened(t, url)
	if found := seen(); len(found) == 0 {
		t.Error("a manager is not seen that does nothing now")
	}
	if err := manager.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the manager has left", func() bool { return len(seen()) == 0 })
}
