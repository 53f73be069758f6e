package console

import (
	"net/url"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// applicationRow is one application with its keys.
type applicationRow struct {
	Name, Title string
	Owner       ownerView
	Keys, Ended []keyRow // a page of each
	More        string   // how many working keys are not shown; empty for none
	MoreEnded   string
	EndedCount  string
}

// keyRow is what is shown of a key: never the secret.
type keyRow struct {
	ID, Environment            string
	State                      web.Badge
	Created, LastUsed, Expires web.Moment
	RevokeURL                  string // empty where the role does not include it
}

// keyBadges says each state of a key in a word and a tone.
var keyBadges = map[string]web.Badge{
	manager.CredentialActive:   {Word: "Active", Tone: "good", Text: "It works until it is revoked."},
	manager.CredentialExpiring: {Word: "Expiring", Tone: "warn", Text: "It works until it expires."},
	manager.CredentialExpired:  {Word: "Expired", Tone: "bad", Text: "It is refused with credential_expired."},
	manager.CredentialRevoked:  {Word: "Revoked", Tone: "bad", Text: "It is refused with credential_revoked."},
}

func (v *visit) fillApplications(view *partnerView) error {
	page, err := v.Service.Find(v.ctx(), manager.Query{
		Kind: manager.KindApplication, Partner: view.Name, Text: view.Text, Limit: listed, Cursor: v.query("applications"),
	})
	if err != nil {
		return err
	}
	view.ApplicationPager = v.pagerOf("applications", page.Next)
	view.Searchable = view.Searchable || view.ApplicationPager.needed()
	keys, err := v.Service.Credentials(v.ctx(), view.Name, "")
	if err != nil {
		return err
	}
	byApplication := map[string][]manager.CredentialView{}
	for _, key := range keys {
		byApplication[key.Application] = append(byApplication[key.Application], key)
	}
	for _, r := range page.Items {
		if a, ok := r.(*manager.Application); ok {
			view.Applications = append(view.Applications, v.applicationRow(a, byApplication[a.Metadata.Name]))
		}
	}
	return nil
}

func (v *visit) applicationRow(a *manager.Application, keys []manager.CredentialView) applicationRow {
	row := applicationRow{Name: a.Metadata.Name, Title: title(a.Spec.Title, a.Metadata.Name), Owner: ownerOf(&a.Metadata)}
	working, ended := 0, 0
	for _, key := range keys {
		count, list := &working, &row.Keys
		if over(key.State) {
			count, list = &ended, &row.Ended
		}
		if *count++; *count <= listed {
			*list = append(*list, v.keyRow(key))
		}
	}
	row.More, row.MoreEnded, row.EndedCount = moreKeys(working), moreKeys(ended), web.Count(int64(ended), "ended key")
	return row
}

// moreKeys says how many of n keys a page does not show.
func moreKeys(n int) string {
	if n <= listed {
		return ""
	}
	return web.Count(int64(n-listed), "more key")
}

// over tells whether a key in this state works no more.
func over(state string) bool {
	return state == manager.CredentialRevoked || state == manager.CredentialExpired
}

func (v *visit) keyRow(key manager.CredentialView) keyRow {
	now := v.Now()
	row := keyRow{ID: key.Metadata.Name, Environment: key.Environment, State: keyBadges[key.State], Created: web.Day(key.Metadata.CreatedAt)}
	if key.LastUsedAt != nil {
		row.LastUsed = web.Ago(*key.LastUsedAt, now)
	}
	if key.ExpiresAt != nil {
		row.Expires = web.Until(*key.ExpiresAt, now)
	}
	if key.RevokedAt != nil {
		row.Expires = web.Ago(*key.RevokedAt, now)
	}
	if !over(key.State) && v.may(manager.MayRevokeKeys) {
		row.RevokeURL = revokeURL(key.Metadata.Partner, key.Metadata.Name)
	}
	return row
}

func revokeURL(partner, id string) string {
	return partnerURL(partner) + "/keys/" + url.PathEscape(id) + "/revoke"
}

// key is the partner's key that the address names.
func (v *visit) key() (manager.CredentialView, error) {
	keys, err := v.Service.Credentials(v.ctx(), v.r.PathValue("partner"), "")
	if err != nil {
		return manager.CredentialView{}, err
	}
	for _, key := range keys {
		if key.Metadata.Name == v.r.PathValue("id") {
			return key, nil
		}
	}
	return manager.CredentialView{}, web.ErrNotFound
}

func (s *server) confirmRevoke(v *visit) error {
	key, err := v.key()
	if err != nil {
		return err
	}
	row := v.keyRow(key)
	view := confirmView{
		Title: "Revoke key?", Lead: "The key " + row.ID + " of " + key.Metadata.Partner + "/" + key.Application + " in " + key.Environment + ".",
		Consequences: []string{
			"Proxies in contact refuse it within two seconds, with 401 credential_revoked.",
			"Every program that still sends it stops working in " + key.Environment + ".",
			"It cannot be undone. The partner can make another one in the portal.",
		},
		Note:   "It has never been used.",
		Action: revokeURL(key.Metadata.Partner, row.ID), Button: "Revoke key", Danger: true, Back: partnerURL(key.Metadata.Partner),
	}
	if row.LastUsed.Text != "" {
		view.Note = "It was last used " + row.LastUsed.Text + "."
	}
	return v.ask(view)
}

func (s *server) revokeKey(v *visit) error {
	key, err := v.key()
	if err != nil {
		return err
	}
	version, err := s.Service.RevokeCredential(v.ctx(), v.principal.Actor(manager.OwnerAPI), key.Metadata.Name)
	if err != nil {
		return err
	}
	return v.redirect(partnerURL(key.Metadata.Partner), "The key "+key.Metadata.Name+" is revoked.", version)
}
