package portal

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// frame is what surrounds every page. Member is empty on public pages.
type frame struct {
	web.Frame
	Member memberFrame
}

// memberFrame is what surrounds the pages of members.
type memberFrame struct {
	Email, Role  string
	Partner      partnerChoice
	Others       []partnerChoice // the other partners that the person belongs to
	Suspended    bool            // the partner is
	SupportTier  string
	SupportEmail string
	Navigation   []web.Link
	Environments []environmentChoice
	Environment  environmentChoice // Name is empty where the page is about all
	MayMake      bool
}

type partnerChoice struct{ Name, Title, Initial string }

// environmentChoice is one segment of the environment switch. An empty name stands for all.
type environmentChoice struct {
	Name, Title string
	Tone        string // which colours it has: sandbox, production, other, or all
	URL         string // this page for that environment
	Current     bool
}

// frame surrounds a page for anybody.
func (s *server) frame(r *http.Request, title string) frame { return frame{Frame: s.Frame(r, title)} }

// frame surrounds a page of a section ("products") in the environments that scope chose.
func (v *visit) frame(title, section string, e *scope) frame {
	f := v.server.frame(v.r, title)
	f.Notice = v.Sessions.PopString(v.ctx(), sessionNotice)
	spec := v.partner.Spec
	f.Member = memberFrame{
		Email: v.email, Role: string(v.role), MayMake: v.mayMake(),
		Partner:   partnerOf(v.partner),
		Suspended: spec.State == manager.StateSuspended, SupportTier: spec.Support.Tier, SupportEmail: spec.Support.Email,
		Navigation:   navigation(section, e.name(), v.role),
		Environments: e.choices, Environment: e.current,
	}
	for _, m := range v.memberships {
		if m.Partner == v.name() {
			continue
		}
		other, err := read[*manager.Partner](v.ctx(), v.Service, manager.Ref{Kind: manager.KindPartner, Name: m.Partner})
		if err == nil { // one that is just being deleted is no choice
			f.Member.Others = append(f.Member.Others, partnerOf(other))
		}
	}
	return f
}

func partnerOf(p *manager.Partner) partnerChoice {
	name := title(p.Spec.Title, p.Metadata.Name)
	_, size := utf8.DecodeRuneInString(name)
	return partnerChoice{p.Metadata.Name, name, strings.ToUpper(name[:size])}
}

func navigation(section, environment string, role manager.Role) []web.Link {
	links := []web.Link{
		{Title: "Products", URL: "/products", Icon: "products"},
		{Title: "Applications", URL: "/applications", Icon: "key"},
		{Title: "Usage", URL: "/usage", Icon: "chart"},
		{Title: "Requests", URL: "/requests", Icon: "list"},
	}
	if role == manager.RoleAdmin {
		links = append(links, web.Link{Title: "Members", URL: "/members", Icon: "people"})
	}
	for i := range links {
		links[i].Current = links[i].URL == "/"+section
		links[i].URL = inEnvironment(links[i].URL, environment)
	}
	return links
}

func inEnvironment(path, environment string) string {
	if environment == "" {
		return path
	}
	return path + "?" + url.Values{"environment": {environment}}.Encode()
}

// scope is which environments there are and which one a page is about.
type scope struct {
	all     []*manager.Environment
	choices []environmentChoice
	current environmentChoice
}

func (e *scope) name() string { return e.current.Name }

// chosen are the environments that the page is about: one, or all.
func (e *scope) chosen() []*manager.Environment {
	for _, environment := range e.all {
		if environment.Metadata.Name == e.current.Name {
			return []*manager.Environment{environment}
		}
	}
	return e.all
}

// titled is the choice for an environment's name, for labels beside rows.
func (e *scope) titled(name string) environmentChoice {
	for _, environment := range e.all {
		if environment.Metadata.Name == name {
			return choiceOf(environment)
		}
	}
	return environmentChoice{Name: name, Title: name, Tone: "other"}
}

// oneEnvironment is the scope of a page about one: the one asked for, else the first.
func (v *visit) oneEnvironment() (*scope, error) {
	e, err := v.environments()
	if err == nil && e.current.Name == "" {
		e.choose(e.all[0].Metadata.Name)
	}
	return e, err
}

// anyEnvironment is the scope of a page that can also be about all of them.
func (v *visit) anyEnvironment() (*scope, error) {
	e, err := v.environments()
	if err != nil {
		return nil, err
	}
	all := environmentChoice{Title: "All", Tone: "all", URL: web.WithQuery(v.r.URL, "environment", ""), Current: e.current.Name == ""}
	e.choices = append([]environmentChoice{all}, e.choices...)
	if all.Current {
		e.current = all
	}
	return e, nil
}

func (v *visit) environments() (*scope, error) {
	all, err := v.Service.PartnerEnvironments(v.ctx(), v.name())
	if err != nil {
		return nil, err
	}
	e := &scope{all: all}
	for _, environment := range all {
		choice := choiceOf(environment)
		choice.URL = web.WithQuery(v.r.URL, "environment", choice.Name)
		e.choices = append(e.choices, choice)
	}
	asked := v.r.URL.Query().Get("environment")
	if asked != "" && !e.choose(asked) {
		return nil, &manager.Error{Code: manager.CodeNotFound, Message: "There is no environment " + asked + "."}
	}
	return e, nil
}

func (e *scope) choose(name string) bool {
	for i := range e.choices {
		if e.choices[i].Name == name {
			e.choices[i].Current = true
			e.current = e.choices[i]
			return true
		}
	}
	return false
}

func choiceOf(e *manager.Environment) environmentChoice {
	tone := "other"
	if name := e.Metadata.Name; name == "sandbox" || name == "production" {
		tone = name
	}
	return environmentChoice{Name: e.Metadata.Name, Title: title(e.Spec.Title, e.Metadata.Name), Tone: tone}
}
