package portal

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// applicationRenameView is the form for an application's title.
type applicationRenameView struct {
	Frame       frame
	Application applicationCard
	Form        applicationForm
}

// applicationDeleteView asks whether an application shall really go, with its keys.
type applicationDeleteView struct {
	Frame       frame
	Application applicationCard
	Keys        []endingKey
	Count       string   // of the keys
	NeededBy    []string // subscriptions that name it, in words; with them it stays
	Changed     bool     // since the question was asked before
}

// endingKey is a working key that ends with its application.
type endingKey struct {
	keyView
	Environment environmentChoice
}

func applicationURL(name, action string) string {
	return "/applications/" + url.PathEscape(name) + "/" + action
}

// changeable is the partner's application that the address names, where members may change it.
func (v *visit) changeable() (*manager.Application, error) {
	name := v.r.PathValue("application")
	a, err := read[*manager.Application](v.ctx(), v.Service, manager.Ref{Kind: manager.KindApplication, Partner: v.name(), Name: name})
	if err == nil && a.Metadata.ManagedBy == manager.OwnerFile {
		return nil, v.keptElsewhere(a)
	}
	return a, err
}

func (v *visit) keptElsewhere(a *manager.Application) error {
	return &manager.Error{Code: manager.CodeConflict, Reason: manager.ReasonFileOwned, Message: "The provider keeps the application " + title(a.Spec.Title, a.Metadata.Name) +
		" in its files, so it is renamed and deleted there. Ask your contact at the provider. Its keys are yours: make and revoke them here"}
}

func (s *server) renameForm(v *visit) error {
	a, err := v.changeable()
	if err != nil {
		return err
	}
	return v.showRename(http.StatusOK, a, applicationForm{Title: a.Spec.Title})
}

func (v *visit) showRename(status int, a *manager.Application, form applicationForm) error {
	v.Render(v.w, v.r, status, applicationRenameView{Frame: v.frame("Rename application", "applications", everywhere()), Application: cardHead(a), Form: form})
	return nil
}

func (s *server) rename(v *visit) error {
	a, err := v.changeable()
	if err != nil {
		return err
	}
	form := readApplicationForm(url.Values{"name": {a.Metadata.Name}, "title": v.form["title"]})
	if !v.form.Has("title") {
		form.Title, form.Errors.Title = a.Spec.Title, "Give a title, or leave it empty for the name alone."
	}
	if form.Errors == (applicationErrors{}) {
		renamed := *a
		renamed.Spec.Title = form.Title
		_, _, err = s.Service.Put(v.ctx(), v.actor(), &renamed, a.Metadata.Revision)
		if err == nil {
			return v.redirect("/applications#application-"+url.PathEscape(a.Metadata.Name), "The application is called "+title(form.Title, form.Name)+" now.")
		}
		if domain, ok := errors.AsType[*manager.Error](err); !ok || !aboutTitle(domain) || !form.refusedBy(err) {
			return err
		}
	}
	return v.showRename(http.StatusUnprocessableEntity, a, form)
}

func (s *server) confirmDelete(v *visit) error {
	a, err := v.changeable()
	if err != nil {
		return err
	}
	return v.askDelete(http.StatusOK, a)
}

func (v *visit) askDelete(status int, a *manager.Application) error {
	e, err := v.environments()
	if err != nil {
		return err
	}
	view := applicationDeleteView{Frame: v.frame("Delete application", "applications", everywhere()), Application: cardHead(a), Changed: status == http.StatusConflict}
	keys, err := v.Service.Credentials(v.ctx(), v.name(), a.Metadata.Name)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.State == manager.CredentialActive || key.State == manager.CredentialExpiring {
			view.Keys = append(view.Keys, endingKey{v.keyView(key), e.titled(key.Environment)})
		}
	}
	view.Count = web.Count(int64(len(view.Keys)), "working key")
	if view.NeededBy, err = v.neededBy(a.Metadata.Name, e); err != nil {
		return err
	}
	v.Render(v.w, v.r, status, view)
	return nil
}

// neededBy says which subscriptions name an application.
func (v *visit) neededBy(application string, e *scope) ([]string, error) {
	held, err := v.holdings()
	if err != nil {
		return nil, err
	}
	var list []string
	for cursor := ""; ; {
		page, err := v.Service.List(v.ctx(), manager.KindSubscription, v.name(), 500, cursor)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			if s, ok := item.(*manager.Subscription); ok && slices.Contains(s.Spec.Applications, application) {
				list = append(list, title(held.subscriptions[s.Metadata.Name], s.Metadata.Name)+" in "+e.titled(s.Spec.Environment).Title)
			}
		}
		if cursor = page.Next; cursor == "" {
			return list, nil
		}
	}
}

// deleteApplication ends the keys that the question named, and no others: where
// there are more by now, or a subscription names the application, it asks again.
func (s *server) deleteApplication(v *visit) error {
	a, err := v.changeable()
	if err != nil {
		return err
	}
	keys := v.form["key"]
	_, err = s.Service.DeleteApplication(v.ctx(), v.actor(), v.name(), a.Metadata.Name, keys)
	if domain, ok := errors.AsType[*manager.Error](err); ok && domain.Reason == manager.ReasonNeeded {
		return v.askDelete(http.StatusConflict, a)
	}
	if err != nil {
		return err
	}
	said := []string{"The application " + title(a.Spec.Title, a.Metadata.Name) + " is deleted."}
	switch len(keys) {
	case 0:
	case 1:
		said = append(said, "Gateways refuse its key within seconds.")
	default:
		said = append(said, "Gateways refuse its "+web.Count(int64(len(keys)), "key")+" within seconds.")
	}
	return v.redirect("/applications", strings.Join(said, " "))
}
