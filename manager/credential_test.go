package manager_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

// decide asks the published snapshot, as a filter would.
func decide(s *manager.Service, c *clock, key, method, path string) policy.Code {
	q := policy.Request{Method: method, Host: "sandbox.example.test", Path: path, Key: key, Keys: 1, Now: c.Now().UnixMilli()}
	d := s.Published().Snapshot.Decide(&q)
	if d.Code == policy.Undecided {
		return policy.Admitted // but for limits
	}
	return d.Code
}

func getPayment(s *manager.Service, c *clock, key string) policy.Code {
	return decide(s, c, key, "GET", "/pay/payments/17")
}

func TestKeyLife(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	key, err := s.CreateCredential(ctx, admin, "acme", "checkout", "sandbox", 0)
	if err != nil {
		t.Fatal(err)
	}
	environment, id, ok := policy.ParseKey(key.Key)
	if !ok || environment != "sandbox" || id != key.ID || key.ExpiresAt != nil || key.PolicyVersion != s.PolicyVersion() {
		t.Fatalf("a malformed key: %+v", key)
	}
	if code := getPayment(s, c, key.Key); code != policy.Admitted {
		t.Errorf("a new key: %v", code)
	}

	successor, err := s.RotateCredential(ctx, admin, key.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if old, new := getPayment(s, c, key.Key), getPayment(s, c, successor.Key); old != policy.Admitted || new != policy.Admitted {
		t.Errorf("within the overlap both are good: %v %v", old, new)
	}
	if _, err := s.RotateCredential(ctx, admin, key.ID, 0); manager.CodeOf(err) != manager.CodeConflict || !strings.Contains(err.Error(), successor.ID) {
		t.Errorf("rotated already: %v", err)
	}
	c.advance(time.Hour)
	if old, new := getPayment(s, c, key.Key), getPayment(s, c, successor.Key); old != policy.CredentialExpired || new != policy.Admitted {
		t.Errorf("after the overlap: %v %v", old, new)
	}
	if _, err := s.RotateCredential(ctx, admin, key.ID, 0); manager.CodeOf(err) != manager.CodeConflict {
		t.Errorf("an expired key is not rotated: %v", err)
	}

	version, err := s.RevokeCredential(ctx, admin, successor.ID)
	if err != nil || version != s.PolicyVersion() {
		t.Fatal(version, err)
	}
	if again, err := s.RevokeCredential(ctx, admin, successor.ID); err != nil || again != version {
		t.Errorf("revoked again: version %d, %v", again, err)
	}
	if code := getPayment(s, c, successor.Key); code != policy.CredentialRevoked {
		t.Errorf("revoked: %v", code)
	}
	c.advance(31 * 24 * time.Hour)
	if _, _, err := s.Put(ctx, admin, plan("other", 1), manager.AnyRevision); err != nil {
		t.Fatal(err)
	}
	if code := getPayment(s, c, successor.Key); code != policy.CredentialUnknown {
		t.Errorf("30 days after its revocation: %v", code)
	}
}

func TestKeyExpiry(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	key, err := s.CreateCredential(ctx, admin, "acme", "checkout", "sandbox", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c.advance(30 * time.Minute)
	successor, err := s.RotateCredential(ctx, admin, key.ID, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	old, err := s.Credential(ctx, key.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !old.ExpiresAt.Equal(*key.ExpiresAt) {
		t.Errorf("the overlap prolongs nothing: %v → %v", key.ExpiresAt, old.ExpiresAt)
	}
	if want := c.Now().Add(time.Hour); !successor.ExpiresAt.Equal(want) {
		t.Errorf("the successor lives as long as the first: %v, want %v", successor.ExpiresAt, want)
	}
	c.advance(30 * time.Minute)
	if code := getPayment(s, c, key.Key); code != policy.CredentialExpired {
		t.Errorf("expired: %v", code)
	}
}

func TestCredentialViews(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
	s := startService(t, c, store, slog.DiscardHandler)
	apply(t, s, estate(t), manager.ApplyOptions{})
	create := func(d time.Duration) string {
		c.advance(time.Second)
		key, err := s.CreateCredential(ctx, admin, "acme", "checkout", "sandbox", d)
		if err != nil {
			t.Fatal(err)
		}
		return key.ID
	}
	active, expiring, expired, revoked := create(0), create(time.Hour), create(time.Minute), create(0)
	if _, err := s.RevokeCredential(ctx, admin, revoked); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	used := c.Now().Truncate(time.Second)
	if err := store.CommitSync(ctx, manager.SyncCommit{
		Proxy:          &manager.Proxy{ID: "p.1", Node: "p", FirstSeen: used, LastSync: used},
		CredentialUses: map[string]map[string]time.Time{"acme": {active: used}},
	}); err != nil {
		t.Fatal(err)
	}
	views, err := s.Credentials(ctx, "acme", "checkout")
	if err != nil || len(views) != 4 {
		t.Fatal(views, err)
	}
	for i, want := range []struct{ id, state string }{
		{revoked, manager.CredentialRevoked}, {expired, manager.CredentialExpired}, {expiring, manager.CredentialExpiring}, {active, manager.CredentialActive},
	} {
		v := views[i]
		if v.Metadata.Name != want.id || v.State != want.state || (v.LastUsedAt != nil) != (want.id == active) {
			t.Errorf("view %d: %s %s used %v, want %+v", i, v.Metadata.Name, v.State, v.LastUsedAt, want)
		}
	}
	if all, err := s.Credentials(ctx, "acme", ""); err != nil || len(all) != 4 {
		t.Error(all, err)
	}
	if _, err := s.Credentials(ctx, "acme", "nothing"); manager.CodeOf(err) != manager.CodeNotFound {
		t.Error(err)
	}

	// Its dead keys go with the application; its live ones keep it.
	application := ref(manager.KindApplication, "acme", "checkout")
	if _, err := s.Delete(ctx, admin, application, manager.AnyRevision); manager.CodeOf(err) != manager.CodeConflict ||
		!strings.Contains(err.Error(), active) || !strings.Contains(err.Error(), expiring) || strings.Contains(err.Error(), revoked) {
		t.Errorf("live keys keep the application: %v", err)
	}
	for _, id := range []string{active, expiring} {
		if _, err := s.RevokeCredential(ctx, admin, id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Delete(ctx, admin, application, manager.AnyRevision); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Credential(ctx, revoked); manager.CodeOf(err) != manager.CodeNotFound {
		t.Errorf("a dead key outlived its application: %v", err)
	}
}

// TestDeleteApplication: an application goes with the keys that are named, in
// one change and with an entry for each, or not at all.
func TestDeleteApplication(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	ada := person("ada@acme.test")
	if _, _, err := s.Put(ctx, ada, read(t, wallet)[0], manager.MustNotExist); err != nil {
		t.Fatal(err)
	}
	keys := map[string]*manager.NewKey{}
	for name, life := range map[string]time.Duration{"one": 0, "two": time.Hour, "expired": time.Minute, "checkout": 0} {
		application := "wallet"
		if name == "checkout" {
			application = name
		}
		key, err := s.CreateCredential(ctx, ada, "acme", application, "sandbox", life)
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = key
	}
	c.advance(2 * time.Minute)
	ids := []string{keys["one"].ID, keys["expired"].ID, keys["checkout"].ID, keys["one"].ID, "nothing"}
	unchanged := s.PolicyVersion()
	if _, err := s.DeleteApplication(ctx, ada, "acme", "wallet", ids); manager.CodeOf(err) != manager.CodeConflict || !strings.Contains(err.Error(), keys["two"].ID) || strings.Contains(err.Error(), keys["one"].ID) {
		t.Errorf("a key that is not named keeps the application: %v", err)
	}
	ids = append(ids, keys["two"].ID)
	if _, err := s.DeleteApplication(ctx, person("gil@globex.test"), "acme", "wallet", ids); manager.CodeOf(err) != manager.CodeNotFound && manager.CodeOf(err) != manager.CodeForbidden {
		t.Errorf("somebody else deletes it: %v", err)
	}
	if code := getPayment(s, c, keys["one"].Key); code != policy.Admitted || s.PolicyVersion() != unchanged {
		t.Fatalf("what is refused changes something: %v", code)
	}
	version, err := s.DeleteApplication(ctx, ada, "acme", "wallet", ids)
	if err != nil || version != unchanged+1 {
		t.Fatalf("version %d after %d: %v", version, unchanged, err)
	}
	for _, name := range []string{"one", "two", "expired"} {
		if code := getPayment(s, c, keys[name].Key); code != policy.CredentialUnknown {
			t.Errorf("the key %s of an application that is gone: %v", name, code)
		}
	}
	if code := getPayment(s, c, keys["checkout"].Key); code != policy.Admitted {
		t.Errorf("the key of another application, though named: %v", code)
	}
	deleted := map[string]int{}
	for _, e := range auditOf(t, s, manager.AuditQuery{Actor: ada.Name, Partner: "acme"}) {
		if e.Action == "deleted" && e.PolicyVersion == version {
			deleted[e.Name]++
		}
	}
	if len(deleted) != 4 || deleted["wallet"] != 1 || deleted[keys["one"].ID] != 1 || deleted[keys["two"].ID] != 1 || deleted[keys["expired"].ID] != 1 {
		t.Errorf("the audit log has %v", deleted)
	}
}

func TestKeysThatCannotBe(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	for _, tt := range []struct {
		partner, application, environment string
		life                              time.Duration
		want                              manager.ErrorCode
	}{
		{"nobody", "checkout", "sandbox", 0, manager.CodeNotFound},
		{"acme", "screening", "sandbox", 0, manager.CodeNotFound},
		{"acme", "checkout", "staging", 0, manager.CodeInvalid},
		{"acme", "checkout", "sandbox", -1, manager.CodeInvalid},
		{"acme", "checkout", "sandbox", 1, manager.CodeInvalid},
		{"acme", "checkout", "sandbox", time.Minute - 1, manager.CodeInvalid},
		{"acme", "checkout", "sandbox", 11 * 365 * 24 * time.Hour, manager.CodeInvalid},
	} {
		if _, err := s.CreateCredential(ctx, admin, tt.partner, tt.application, tt.environment, tt.life); manager.CodeOf(err) != tt.want {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	if _, err := s.RotateCredential(ctx, admin, "aaaaaaaaaaaa", 0); manager.CodeOf(err) != manager.CodeNotFound {
		t.Error(err)
	}
	hank := manager.Actor{Name: "hank@globex.test", Owner: manager.OwnerPortal}
	key, err := s.CreateCredential(ctx, admin, "acme", "checkout", "sandbox", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RevokeCredential(ctx, hank, key.ID); manager.CodeOf(err) != manager.CodeNotFound || strings.Contains(err.Error(), "acme") {
		t.Errorf("another partner's key does not exist: %v", err)
	}
}

// TestSecretsStaySecret: neither logs nor store know a key or a password.
func TestSecretsStaySecret(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	path := filepath.Join(t.TempDir(), "policy.db")
	store := openStore(t, path)
	var log bytes.Buffer
	s := startService(t, c, store, slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	apply(t, s, estate(t), manager.ApplyOptions{})
	const password = "correct horse battery staple"
	key, err := s.CreateCredential(ctx, admin, "acme", "checkout", "sandbox", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetPassword(ctx, admin, "acme", "dev@acme.test", password); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(ctx, "dev@acme.test", password+"!"); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("an error with a password: %v", err)
	}
	s.Close()
	kept := append(log.Bytes(), storedBytes(t, path)...)
	secret := key.Key[strings.LastIndexByte(key.Key, '_')+1:]
	for _, s := range []string{password, secret} {
		if bytes.Contains(kept, []byte(s)) {
			t.Errorf("a secret was kept: %q", s)
		}
	}
	if log.Len() == 0 || !bytes.Contains(kept, []byte(key.ID)) {
		t.Error("nothing was kept at all")
	}
}
