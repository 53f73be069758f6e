package sqlite

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// The file itself refuses to change or to forget what was logged.
func TestAuditIsAppendOnly(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, filepath.Join(t.TempDir(), "audit.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.AddAudit(ctx, []manager.AuditEntry{{Time: time.Unix(1, 0), Actor: "ci"}}); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"UPDATE audit SET actor = 'somebody else'", "DELETE FROM audit", "REPLACE INTO audit SELECT * FROM audit"} {
		if _, err := s.writer.ExecContext(ctx, statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if err := s.DeleteAuditBefore(ctx, time.Unix(1, 0)); err != nil {
		t.Error(err)
	}
	if _, err := s.writer.ExecContext(ctx, "DELETE FROM audit"); err == nil {
		t.Error("after a deletion of what was too old the rest can be deleted")
	}
	page, err := s.Audit(ctx, manager.AuditQuery{})
	if err != nil || len(page.Items) != 1 || page.Items[0].Actor != "ci" {
		t.Errorf("%+v, %v", page, err)
	}
}
