package portal

import (
	"net/url"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// lifetimes are how long a new key can live.
var lifetimes = []span{
	{"never", 0, "Never", "It works until you revoke it."},
	{"365d", 365 * 24 * time.Hour, "In a year", ""},
	{"90d", 90 * 24 * time.Hour, "In 90 days", "A good habit for production: rotate it before then."},
	{"30d", 30 * 24 * time.Hour, "In 30 days", ""},
}

// overlaps are how long a rotated key can go on beside the new one.
var overlaps = []span{
	{"24h", 24 * time.Hour, "24 hours", "Time to bring the new key to every server."},
	{"168h", 7 * 24 * time.Hour, "7 days", "For clients that are hard to reach."},
	{"1h", time.Hour, "1 hour", "For a client that you can restart yourself."},
	{"0h", 0, "None", "The old key stops at once: for a key that leaked."},
}

// span is a length of time that a form offers.
type span struct {
	value       string
	length      time.Duration
	label, hint string
}

func choicesOf(spans []span) []web.Choice {
	list := make([]web.Choice, len(spans))
	for i, s := range spans {
		list[i] = web.Choice{Value: s.value, Label: s.label, Hint: s.hint, Current: i == 0}
	}
	return list
}

// pick is the length of the span that the form names.
func pick(spans []span, value string) (time.Duration, error) {
	for _, s := range spans {
		if s.value == value {
			return s.length, nil
		}
	}
	return 0, &manager.Error{Code: manager.CodeInvalid, Message: "Choose one of the lengths of time that the form offers."}
}

// keyNewView is the form for a new key.
type keyNewView struct {
	Frame        frame
	Application  applicationCard
	Environments []environmentChoice
	Lifetimes    []web.Choice
}

// keyShownView shows a key, the only time.
type keyShownView struct {
	Frame       frame
	Application applicationCard
	Environment environmentChoice
	ID, Key     string
	Export      string // the line that puts the key where curl lines find it
	Curl        string // the first line to try with it; empty where there is nothing to call
	Expires     web.Moment
	Rotated     string     // id of the key that it replaces
	OldUntil    web.Moment // until when that works; no Text: it ended
}

// keyAsked is a question about a key, before anything happens to it.
type keyAsked struct {
	Frame       frame
	Application applicationCard
	Environment environmentChoice
	Key         keyView
}

// keyRotateView asks how long the old key shall go on.
type keyRotateView struct {
	keyAsked
	Overlaps []web.Choice
}

// keyRevokeView asks whether the key shall really end.
type keyRevokeView struct{ keyAsked }

// application is the partner's application that the address names.
func (v *visit) application() (applicationCard, error) {
	name := v.r.PathValue("application")
	a, err := read[*manager.Application](v.ctx(), v.Service, manager.Ref{Kind: manager.KindApplication, Partner: v.name(), Name: name})
	if err != nil {
		return applicationCard{}, err
	}
	return cardHead(a), nil
}

func (s *server) newKey(v *visit) error {
	application, err := v.application()
	if err != nil {
		return err
	}
	e, err := v.oneEnvironment()
	if err != nil {
		return err
	}
	return v.render(keyNewView{
		Frame: v.frame("New key", "applications", e), Application: application,
		Environments: e.choices, Lifetimes: choicesOf(lifetimes),
	})
}

// createKey answers with the key itself: it is in no session, no redirect, no log.
func (s *server) createKey(v *visit) error {
	application, err := v.application()
	if err != nil {
		return err
	}
	lifetime, err := pick(lifetimes, v.form.Get("lifetime"))
	if err != nil {
		return err
	}
	key, err := s.Service.CreateCredential(v.ctx(), v.actor(), v.name(), application.Name, v.form.Get("environment"), lifetime)
	if err != nil {
		return err
	}
	return v.showKey(application, key, "", web.Moment{})
}

func (v *visit) showKey(application applicationCard, key *manager.NewKey, rotated string, oldUntil web.Moment) error {
	e, err := v.anyEnvironment()
	if err != nil {
		return err
	}
	view := keyShownView{
		Application: application, Environment: e.titled(key.Environment),
		ID: key.ID, Key: key.Key, Export: "export PARTNERGATE_KEY=" + key.Key,
		Rotated: rotated, OldUntil: oldUntil,
	}
	e.choose(key.Environment)
	e.choices = nil // choosing another would lose the key
	view.Frame = v.frame("Your new key", "applications", e)
	if key.ExpiresAt != nil {
		view.Expires = web.Until(*key.ExpiresAt, v.Now())
	}
	if view.Curl, err = v.tryLine(key.Environment); err != nil {
		v.Logger.ErrorContext(v.ctx(), "the portal could not find a line to try a new key with", "error", err) // the key matters more
	}
	return v.render(view)
}

// tryLine is a curl line for what is easiest to try of all that the partner can call.
func (v *visit) tryLine(environment string) (string, error) {
	catalog, err := v.Service.Catalog(v.ctx(), v.name(), environment)
	if err != nil {
		return "", err
	}
	where, err := read[*manager.Environment](v.ctx(), v.Service, manager.Ref{Kind: manager.KindEnvironment, Name: environment})
	if err != nil {
		return "", err
	}
	var groups []operationGroup
	for _, p := range catalog.Products {
		if p.Product.Spec.Lifecycle != manager.LifecycleDeprecated || len(catalog.Products) == 1 {
			groups = append(groups, groupsOf(p, where.Spec.Gateway)...)
		}
	}
	return easiest(groups).Curl, nil
}

// key is the key that the address names, with its application.
func (v *visit) key() (applicationCard, manager.CredentialView, error) {
	application, err := v.application()
	if err != nil {
		return application, manager.CredentialView{}, err
	}
	keys, err := v.Service.Credentials(v.ctx(), v.name(), application.Name)
	if err != nil {
		return application, manager.CredentialView{}, err
	}
	for _, key := range keys {
		if key.Metadata.Name == v.r.PathValue("id") {
			return application, key, nil
		}
	}
	return application, manager.CredentialView{}, web.ErrNotFound
}

// ask is the question about the key that the address names.
func (v *visit) ask(title string) (keyAsked, error) {
	application, key, err := v.key()
	if err != nil {
		return keyAsked{}, err
	}
	e, err := v.environments()
	if err != nil {
		return keyAsked{}, err
	}
	e.current = e.titled(key.Environment)
	e.choices = nil // the key's environment is no choice
	return keyAsked{
		Frame: v.frame(title, "applications", e), Application: application, Environment: e.current, Key: v.keyView(key),
	}, nil
}

func (s *server) confirmRotate(v *visit) error {
	asked, err := v.ask("Rotate key")
	if err != nil {
		return err
	}
	return v.render(keyRotateView{asked, choicesOf(overlaps)})
}

func (s *server) rotateKey(v *visit) error {
	application, old, err := v.key()
	if err != nil {
		return err
	}
	overlap, err := pick(overlaps, v.form.Get("overlap"))
	if err != nil {
		return err
	}
	key, err := s.Service.RotateCredential(v.ctx(), v.actor(), old.Metadata.Name, overlap)
	if err != nil {
		return err
	}
	oldUntil := web.Moment{}
	if overlap > 0 {
		oldUntil = web.Until(v.Now().Add(overlap+time.Minute/2), v.Now())
	}
	return v.showKey(application, key, old.Metadata.Name, oldUntil)
}

func (s *server) confirmRevoke(v *visit) error {
	asked, err := v.ask("Revoke key")
	if err != nil {
		return err
	}
	return v.render(keyRevokeView{asked})
}

func (s *server) revokeKey(v *visit) error {
	application, key, err := v.key()
	if err != nil {
		return err
	}
	if _, err := s.Service.RevokeCredential(v.ctx(), v.actor(), key.Metadata.Name); err != nil {
		return err
	}
	return v.redirect("/applications#application-"+url.PathEscape(application.Name), "The key "+shownKey(&key)+" is revoked. Gateways refuse it within seconds.")
}
