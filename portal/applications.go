package portal

import (
	"errors"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// applicationsView is the partner's applications with their keys.
type applicationsView struct {
	Frame        frame
	Applications []applicationCard
	Expiring     string // "2 keys" that expire soon; empty for none
}

type applicationCard struct {
	Name, Title string
	Groups      []keyGroup
	NewKeyURL   string
	RenameURL   string // empty, as DeleteURL, where the provider keeps the application in its files
	DeleteURL   string
}

// keyGroup is the keys of one application in one environment.
type keyGroup struct {
	Environment environmentChoice
	NewKeyURL   string
	Keys, Ended []keyView
	EndedCount  string
}

// keyView is what is shown of a key ever after: never the secret.
type keyView struct {
	ID, Shown            string // pgk_sandbox_abc…
	State                web.Badge
	Created              web.Moment
	LastUsed             web.Moment
	Expires              web.Moment
	RotatedTo            string
	Soon                 bool // it ends before long, and nothing replaces it
	RotateURL, RevokeURL string
}

func (s *server) applications(v *visit) error {
	e, err := v.anyEnvironment()
	if err != nil {
		return err
	}
	list, err := v.applicationList()
	if err != nil {
		return err
	}
	keys, err := s.Service.Credentials(v.ctx(), v.name(), "")
	if err != nil {
		return err
	}
	sort.SliceStable(keys, func(i, j int) bool { return keys[i].Metadata.CreatedAt.After(keys[j].Metadata.CreatedAt) })
	view := applicationsView{Frame: v.frame("Applications", "applications", e)}
	var expiring int64
	for _, application := range list {
		card := v.applicationCard(application, keys, e)
		view.Applications = append(view.Applications, card)
		expiring += card.expiring()
	}
	if expiring > 0 {
		view.Expiring = web.Count(expiring, "key")
	}
	return v.render(view)
}

// applicationList is all of the partner's applications, by name.
func (v *visit) applicationList() ([]*manager.Application, error) {
	var list []*manager.Application
	for cursor := ""; ; {
		page, err := v.Service.List(v.ctx(), manager.KindApplication, v.name(), 500, cursor)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			if application, ok := item.(*manager.Application); ok {
				list = append(list, application)
			}
		}
		if cursor = page.Next; cursor == "" {
			return list, nil
		}
	}
}

// cardHead is an application without its keys.
func cardHead(a *manager.Application) applicationCard {
	name := a.Metadata.Name
	card := applicationCard{Name: name, Title: title(a.Spec.Title, name), NewKeyURL: newKeyURL(name, "")}
	if a.Metadata.ManagedBy != manager.OwnerFile {
		card.RenameURL, card.DeleteURL = applicationURL(name, "rename"), applicationURL(name, "delete")
	}
	return card
}

func (v *visit) applicationCard(a *manager.Application, keys []manager.CredentialView, e *scope) applicationCard {
	card := cardHead(a)
	name := card.Name
	card.NewKeyURL = newKeyURL(name, e.name())
	for _, environment := range e.chosen() {
		group := keyGroup{Environment: choiceOf(environment), NewKeyURL: newKeyURL(name, environment.Metadata.Name)}
		for _, key := range keys {
			if key.Application != name || key.Environment != environment.Metadata.Name {
				continue
			}
			if key.State == manager.CredentialRevoked || key.State == manager.CredentialExpired {
				group.Ended = append(group.Ended, v.keyView(key))
			} else {
				group.Keys = append(group.Keys, v.keyView(key))
			}
		}
		group.EndedCount = web.Count(int64(len(group.Ended)), "ended key")
		card.Groups = append(card.Groups, group)
	}
	return card
}

// expiring counts the keys that end before long, and that nothing replaces.
func (c applicationCard) expiring() (n int64) {
	for _, group := range c.Groups {
		for _, key := range group.Keys {
			if key.Soon {
				n++
			}
		}
	}
	return n
}

// keyStates says each state of a key in a word, a tone and a sentence.
var keyStates = map[string]web.Badge{
	manager.CredentialActive:   {Word: "Active", Tone: "good", Text: "It works until it is revoked."},
	manager.CredentialExpiring: {Word: "Expires soon", Tone: "warn", Text: "It works until it expires. Rotate it before then."},
	manager.CredentialExpired:  {Word: "Expired", Tone: "bad", Text: "It is refused with credential_expired."},
	manager.CredentialRevoked:  {Word: "Revoked", Tone: "bad", Text: "It is refused with credential_revoked."},
}

// shownKey is what can be shown of a key; an imported one has only its id.
func shownKey(key *manager.CredentialView) string {
	if key.Imported() {
		return key.Metadata.Name
	}
	return "pgk_" + key.Environment + "_" + key.Metadata.Name + "_…"
}

func (v *visit) keyView(key manager.CredentialView) keyView {
	id, now := key.Metadata.Name, v.Now()
	base := keyURL(key.Application, id)
	view := keyView{
		ID: id, Shown: shownKey(&key), State: keyStates[key.State],
		Created: web.Day(key.Metadata.CreatedAt), RotatedTo: key.RotatedTo,
		RevokeURL: base + "/revoke",
	}
	if key.RotatedTo == "" { // a key is replaced once
		view.RotateURL = base + "/rotate"
	}
	if key.LastUsedAt != nil {
		view.LastUsed = web.Ago(*key.LastUsedAt, now)
	}
	if key.ExpiresAt != nil {
		view.Expires = web.Until(*key.ExpiresAt, now)
	}
	if key.State == manager.CredentialExpiring {
		view.expiring(key.ExpiresAt.Sub(now))
	}
	if key.RevokedAt != nil {
		view.Expires = web.Ago(*key.RevokedAt, now)
	}
	return view
}

// expiryNotice is how long before its end a key's expiry is a matter to act on.
const expiryNotice = 14 * 24 * time.Hour

// expiring says of a working key with an end whether that is a matter to act on.
func (k *keyView) expiring(left time.Duration) {
	switch {
	case k.RotatedTo != "":
		k.State = web.Badge{Word: "Replaced", Tone: "warn", Text: "It works until it expires; another key takes its place."}
	case left > expiryNotice:
		k.State = keyStates[manager.CredentialActive]
	default:
		k.Soon = true
	}
}

func newKeyURL(application, environment string) string {
	return inEnvironment("/applications/"+url.PathEscape(application)+"/keys/new", environment)
}

func keyURL(application, id string) string {
	return "/applications/" + url.PathEscape(application) + "/keys/" + url.PathEscape(id)
}

// applicationForm is what is asked for a new application.
type applicationForm struct {
	Name, Title string
	Errors      applicationErrors
}

// applicationErrors are what is wrong with each field; empty for what is right.
type applicationErrors struct{ Name, Title string }

// applicationNewView is the form for a new application.
type applicationNewView struct {
	Frame frame
	Form  applicationForm
}

func readApplicationForm(values url.Values) applicationForm {
	f := applicationForm{Name: strings.TrimSpace(values.Get("name")), Title: strings.TrimSpace(values.Get("title"))}
	if f.Name == "" {
		f.Errors.Name = "Give it a name."
	}
	if len(f.Title) > 200 {
		f.Errors.Title = "It is too long: shorten it."
	}
	return f
}

func (s *server) newApplication(v *visit) error {
	return v.showApplicationForm(http.StatusOK, applicationForm{})
}

func (v *visit) showApplicationForm(status int, form applicationForm) error {
	e, err := v.anyEnvironment()
	if err != nil {
		return err
	}
	v.Render(v.w, v.r, status, applicationNewView{Frame: v.frame("New application", "applications", e), Form: form})
	return nil
}

func (s *server) createApplication(v *visit) error {
	form := readApplicationForm(v.form)
	if form.Errors == (applicationErrors{}) {
		err := v.storeApplication(form)
		if err == nil {
			return v.redirect("/applications", "The application "+title(form.Title, form.Name)+" is there. Now create its first key.")
		}
		if !form.refusedBy(err) {
			return err
		}
	}
	return v.showApplicationForm(http.StatusUnprocessableEntity, form)
}

func (v *visit) storeApplication(form applicationForm) error {
	_, _, err := v.Service.Put(v.ctx(), v.actor(), &manager.Application{
		Metadata: manager.Metadata{Name: form.Name, Partner: v.name()},
		Spec:     manager.ApplicationSpec{Title: form.Title},
	}, manager.MustNotExist)
	return err
}

// refusedBy puts what the domain found wrong beside its field; false where err is not about the form.
func (f *applicationForm) refusedBy(err error) bool {
	switch manager.CodeOf(err) {
	case manager.CodeConflict, manager.CodeStale:
		f.Errors.Name = "You have an application of this name already."
		return true
	case manager.CodeInvalid:
		f.Errors.Name = "Use lower-case letters, digits and hyphens, at most 63 characters, with a letter or digit at both ends."
		if domain, ok := errors.AsType[*manager.Error](err); ok && aboutTitle(domain) {
			f.Errors = applicationErrors{Title: domain.Fields[0].Message}
		}
		return true
	}
	return false
}

func aboutTitle(e *manager.Error) bool {
	return len(e.Fields) == 1 && strings.Contains(e.Fields[0].Path, "title")
}
