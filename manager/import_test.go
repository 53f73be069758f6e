package manager_test

import (
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

const foreignKey = "AKIA/foreign.key=="

func imported(text, id string) manager.ImportedKey {
	return manager.ImportedKey{ID: id, Partner: "acme", Application: "checkout", Environment: "sandbox", Digest: policy.KeyDigest(text)}
}

func TestImportedKeyLife(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	if code := getPayment(s, c, foreignKey); code != policy.CredentialUnknown {
		t.Fatalf("before it is imported: %v", code)
	}
	ends := c.Now().Add(time.Hour)
	keys := []manager.ImportedKey{imported(foreignKey, ""), imported("another-one", "acme-legacy-1")}
	keys[1].ExpiresAt = &ends
	version := s.PolicyVersion()
	if dry, err := s.ImportCredentials(t.Context(), admin, keys, true); err != nil || len(dry.Results) != 2 || s.PolicyVersion() != version {
		t.Fatalf("a dry run: %+v, %v", dry, err)
	}
	result, err := s.ImportCredentials(t.Context(), admin, keys, false)
	if err != nil {
		t.Fatal(err)
	}
	if e := result.Results; e[0].Action != manager.ActionCreated || !strings.HasPrefix(e[0].ID, "imported-") || e[1].ID != "acme-legacy-1" || result.PolicyVersion != version+1 {
		t.Errorf("imported: %+v", result)
	}
	if a, b := getPayment(s, c, foreignKey), getPayment(s, c, "another-one"); a != policy.Admitted || b != policy.Admitted {
		t.Errorf("after it: %v %v", a, b)
	}
	if code := getPayment(s, c, "yet-another"); code != policy.CredentialUnknown {
		t.Errorf("a third: %v", code)
	}
	again, err := s.ImportCredentials(t.Context(), admin, keys, false)
	if err != nil || again.Results[0].Action != manager.ActionUnchanged || again.Results[0].ID != result.Results[0].ID || again.PolicyVersion != version+1 {
		t.Errorf("once more: %+v, %v", again, err)
	}
	successor, err := s.RotateCredential(t.Context(), admin, "acme-legacy-1", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	if old, new := getPayment(s, c, "another-one"), getPayment(s, c, successor.Key); old != policy.CredentialExpired || new != policy.Admitted {
		t.Errorf("rotated to a key of ours: %v %v", old, new)
	}
	if _, err := s.RevokeCredential(t.Context(), admin, result.Results[0].ID); err != nil {
		t.Fatal(err)
	}
	if code := getPayment(s, c, foreignKey); code != policy.CredentialRevoked {
		t.Errorf("revoked: %v", code)
	}
}

func TestImportRefusals(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	made, err := s.CreateCredential(t.Context(), admin, "acme", "checkout", "sandbox", 0)
	if err != nil {
		t.Fatal(err)
	}
	version := s.PolicyVersion()
	with := func(change func(*manager.ImportedKey)) []manager.ImportedKey {
		k := imported(foreignKey, "")
		change(&k)
		return []manager.ImportedKey{imported("good", ""), k}
	}
	past := c.Now()
	for _, k := range []struct {
		name, path, says string
		keys             []manager.ImportedKey
	}{
		{"nothing", "credentials", "has 0 keys", nil},
		{"no partner", "credentials[1].partner", `no partner "nobody"`, with(func(k *manager.ImportedKey) { k.Partner = "nobody" })},
		{"no application", "credentials[1].application", `no application "other"`, with(func(k *manager.ImportedKey) { k.Application = "other" })},
		{"no environment", "credentials[1].environment", "production, sandbox", with(func(k *manager.ImportedKey) { k.Environment = "moon" })},
		{"over", "credentials[1].expires_at", "leave keys out", with(func(k *manager.ImportedKey) { k.ExpiresAt = &past })},
		{"a bad id", "credentials[1].id", "is no id", with(func(k *manager.ImportedKey) { k.ID = "Bad Id!!" })},
		{"a short id", "credentials[1].id", "8 to 63", with(func(k *manager.ImportedKey) { k.ID = "short" })},
		{"the same key twice", "credentials[1].sha256", "credentials[0]", with(func(k *manager.ImportedKey) { k.Digest = policy.KeyDigest("good") })},
		{"another's key", "credentials[1].sha256", made.ID, with(func(k *manager.ImportedKey) {
			k.Digest, k.Environment = policy.KeyDigest(made.Key), "production"
		})},
	} {
		t.Run(k.name, func(t *testing.T) {
			_, err := s.ImportCredentials(t.Context(), admin, k.keys, false)
			wantCode(t, err, manager.CodeInvalid, "")
			if !strings.Contains(err.Error(), k.path+": ") || !strings.Contains(err.Error(), k.says) {
				t.Errorf("the error is %v", err)
			}
			if s.PolicyVersion() != version {
				t.Error("something was written")
			}
		})
	}
}

func TestDeleteAll(t *testing.T) {
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	var refs []manager.Ref
	for _, r := range estate(t) {
		refs = append(refs, r.Ref())
	}
	_, err := s.DeleteAll(t.Context(), admin, []manager.Ref{ref(manager.KindPlan, "", "starter")}, false)
	wantCode(t, err, manager.CodeConflict, manager.ReasonNeeded)
	version := s.PolicyVersion()
	refs = append(refs, ref(manager.KindPlan, "", "starter"), ref(manager.KindPlan, "", "gone"), ref(manager.KindEnvironment, "", "sandbox"))
	if _, err := s.DeleteAll(t.Context(), admin, refs, true); err != nil || s.PolicyVersion() != version {
		t.Errorf("a dry run: %v, version %d", err, s.PolicyVersion())
	}
	result, err := s.DeleteAll(t.Context(), admin, refs, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := entries(result.Results); len(result.Results) != 12 || !strings.Contains(got, "unchanged Plan gone") ||
		!strings.HasPrefix(got, "updated Environment sandbox, deleted Product pay") || result.PolicyVersion != version+1 {
		t.Errorf("%s, version %d", got, result.PolicyVersion)
	}
	for _, kind := range manager.Kinds[1:] {
		if page, err := s.List(t.Context(), kind, "", 0, ""); err != nil || len(page.Items) > 0 {
			t.Errorf("%s: %v, %v", kind, page, err)
		}
	}
}

func TestApplyTellsWhomItTakesFrom(t *testing.T) {
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	if _, _, err := s.Put(t.Context(), admin, read(t, wallet)[0], manager.MustNotExist); err != nil {
		t.Fatal(err)
	}
	got := apply(t, s, read(t, wallet), manager.ApplyOptions{DryRun: true})
	if len(got) != 1 || got[0].Action != manager.ActionUpdated || got[0].TakenFrom != manager.OwnerAPI {
		t.Errorf("got %+v", got)
	}
}

// A key of ours, of another manager, keeps its id, and does not let keys of other forms be looked up.
func TestImportOfOurs(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	body := policy.KeyPrefix + "sandbox_abcdefghijkl_" + strings.Repeat("A", policy.KeySecretLength)
	sum := policy.KeyChecksum(body)
	key := body + string(sum[:])
	if _, err := s.ImportCredentials(t.Context(), admin, []manager.ImportedKey{imported(key, "abcdefghijkl")}, false); err != nil {
		t.Fatal(err)
	}
	if code := getPayment(s, c, key); code != policy.Admitted || s.Published().Snapshot.Manifest().Imported {
		t.Errorf("%v, imported %v", code, s.Published().Snapshot.Manifest().Imported)
	}
}
