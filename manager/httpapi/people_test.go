package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

const credentials = "/api/v1/partners/acme/applications/checkout/credentials"

type newKey struct {
	ID, Key, Environment string
	ExpiresAt            *time.Time `json:"expires_at"`
	PolicyVersion        int64      `json:"policy_version"`
}

func TestKeyLife(t *testing.T) {
	a := withEstate(t)
	var first, second newKey
	created := a.must(&first, "POST", credentials, `{"environment":"sandbox","expires_in":"720h"}`)
	if created.status != 201 || !strings.HasPrefix(first.Key, "pgk_sandbox_"+first.ID+"_") || len(first.ID) < 8 || first.ExpiresAt == nil || first.PolicyVersion == 0 {
		t.Fatalf("create: %d %s", created.status, created.body)
	}
	rotated := a.must(&second, "POST", credentials+"/"+first.ID+"/rotate", `{"overlap":"24h"}`)
	if rotated.status != 201 || second.ID == first.ID || second.Environment != "sandbox" {
		t.Fatalf("rotate: %d %s", rotated.status, rotated.body)
	}
	var list struct {
		Items []struct {
			ID, State, Application, Environment string
			RotatedTo                           string `json:"rotated_to"`
		}
	}
	listed := a.must(&list, "GET", credentials, "")
	states := map[string]string{}
	for _, k := range list.Items {
		states[k.ID] = k.State
	}
	if states[first.ID] != "expiring" || len(list.Items) != 2 || strings.Contains(listed.body, "digest") || strings.Contains(listed.body, second.Key) {
		t.Errorf("list: %s", listed.body)
	}
	a.must(nil, "DELETE", credentials+"/"+first.ID, "")
	if got := a.must(nil, "GET", "/api/v1/credentials/"+first.ID, ""); !strings.Contains(got.body, `"state":"revoked"`) {
		t.Errorf("after revoking: %s", got.body)
	}
}

// The same key by three paths; one that does not lead to it does not tell that it exists.
func TestKeyPaths(t *testing.T) {
	a := withEstate(t)
	var key newKey
	a.must(&key, "POST", credentials, `{"environment":"sandbox"}`)
	for _, path := range []string{"/api/v1/credentials/", "/api/v1/partners/acme/credentials/", credentials + "/"} {
		a.must(nil, "GET", path+key.ID, "")
		a.must(&key, "POST", path+key.ID+"/rotate", "")
	}
	for _, path := range []string{"/api/v1/partners/globex/credentials/", "/api/v1/partners/globex/applications/checkout/credentials/", "/api/v1/partners/acme/applications/other/credentials/"} {
		for method, suffix := range map[string]string{"GET": "", "DELETE": "", "POST": "/rotate"} {
			if got := a.do(method, path+key.ID+suffix, ""); got.status != 404 {
				t.Errorf("%s %s: %d", method, path, got.status)
			}
		}
	}
	if got := a.do("DELETE", "/api/v1/credentials/nonexistent1", ""); got.status != 404 {
		t.Errorf("unknown key: %d", got.status)
	}
	if got := a.do("POST", "/api/v1/partners/globex/applications/checkout/credentials", `{"environment":"sandbox"}`); got.status != 404 {
		t.Errorf("key of another partner's application: %d %s", got.status, got.body)
	}
	a.must(nil, "DELETE", credentials+"/"+key.ID, "")
}

func TestMembers(t *testing.T) {
	a := withEstate(t)
	const members = "/api/v1/partners/globex/members"
	var made rest.Member
	if got := a.must(&made, "POST", members, `{"email":"Ops@Globex.test","role":"viewer"}`); got.status != 201 || made.Email != "ops@globex.test" || made.State != manager.MemberInvited {
		t.Errorf("invite: %d %s", got.status, got.body)
	}
	if made.Invitation == nil {
		t.Fatal("there is no link")
	}
	token, found := strings.CutPrefix(made.Invitation.Link, publicURL+"/invitation?token=")
	if _, err := a.service.InvitationOf(t.Context(), token); !found || err != nil {
		t.Errorf("the link %s: %v", made.Invitation.Link, err)
	}
	if got := a.must(nil, "GET", members, ""); !strings.Contains(got.body, `"email":"ops@globex.test","role":"viewer","state":"invited"`) || strings.Contains(got.body, token) {
		t.Errorf("list: %s", got.body)
	}
	if got := a.must(nil, "POST", members, `{"email":"pending@globex.test"}`); !strings.Contains(got.body, `"role":"developer"`) {
		t.Errorf("without a role: %s", got.body)
	}
	a.must(nil, "DELETE", members+"/pending@globex.test", "")
	a.must(nil, "PUT", members+"/ops@globex.test/password", `{"password":"correct horse battery"}`)
	if _, err := a.service.Authenticate(t.Context(), "ops@globex.test", "correct horse battery"); err != nil {
		t.Errorf("login: %v", err)
	}
	if got := a.must(nil, "GET", members, ""); !strings.Contains(got.body, `"state":"active"`) || !strings.Contains(got.body, `"last_login_at":"`) || strings.Contains(got.body, "invitation") {
		t.Errorf("after a login: %s", got.body)
	}
	if got := a.must(nil, "POST", members, `{"email":"ops@globex.test","role":"admin"}`); strings.Contains(got.body, "link") {
		t.Errorf("who has a password gets a link: %s", got.body)
	}
	if got := a.do("PUT", members+"/dev@acme.test/password", `{"password":"correct horse battery"}`); got.status != 404 {
		t.Errorf("password of another partner's member: %d", got.status)
	}
	if got := a.do("POST", members, `{"email":"ops@globex.test","role":"king"}`); got.status != 422 {
		t.Errorf("unknown role: %d", got.status)
	}
	a.must(nil, "DELETE", members+"/ops@globex.test", "")
	if got := a.do("DELETE", members+"/ops@globex.test", ""); got.status != 404 {
		t.Errorf("removing twice: %d", got.status)
	}
}

func TestUnlockLogin(t *testing.T) {
	a := withEstate(t)
	a.must(nil, "PUT", "/api/v1/partners/acme/members/dev@acme.test/password", `{"password":"correct horse battery"}`)
	try := func(password string) manager.ErrorCode {
		_, err := a.service.Authenticate(manager.WithOrigin(t.Context(), manager.Origin{Address: "192.0.2.7"}), "dev@acme.test", password)
		return manager.CodeOf(err)
	}
	for _, body := range []string{`{"email":"dev@acme.test"}`, `{"address":"192.0.2.7"}`} {
		for range 10 {
			try("wrong")
		}
		if got := try("correct horse battery"); got != manager.CodeTooMany {
			t.Fatalf("after ten wrong ones: %q", got)
		}
		if got := a.must(nil, "POST", "/api/v1/logins/unlock", body); got.body != `{"failures":10}` {
			t.Errorf("%s: %s", body, got.body)
		}
		if got := try("correct horse battery"); got != "" {
			t.Errorf("after %s: %q", body, got)
		}
	}
	for _, body := range []string{`{}`, `{"email":"dev@acme.test","address":"192.0.2.7"}`, `{"email":"dev"}`, `{"address":"here"}`, `{"email":{"$ne":null}}`} {
		if got := a.do("POST", "/api/v1/logins/unlock", body); got.status != 422 {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
}

func TestCatalog(t *testing.T) {
	a := withEstate(t)
	var catalog struct {
		PolicyVersion int64 `json:"policy_version"`
		Products      []struct{ Product, State, Plan string }
		Operations    []struct{ Product, Environment, Method, Path, Operation string }
	}
	a.must(&catalog, "GET", "/api/v1/partners/acme/catalog?environment=sandbox", "")
	if len(catalog.Operations) != 2 || catalog.Operations[0].Path != "/v1/pay" || catalog.Products[0].Plan != "starter" || catalog.PolicyVersion == 0 {
		t.Errorf("got %+v", catalog)
	}
	got := a.must(nil, "GET", "/api/v1/partners/globex/catalog?environment=sandbox", "")
	if !strings.Contains(got.body, `"products":[],"operations":[]`) {
		t.Errorf("globex: %s", got.body)
	}
}
