package console

import (
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// frame is what surrounds every page. Operator is empty before the login.
type frame struct {
	web.Frame
	Operator operatorFrame
	Change   changeView // of what was just changed; Version is 0 for nothing
}

// operatorFrame is what surrounds the pages of who has signed in.
type operatorFrame struct {
	Name, Role string
	Teams      string // that the token is confined to; empty: all
	Navigation []web.Link
}

// sections are the pages of the navigation with what each needs.
var sections = []struct {
	link  web.Link
	needs manager.Permission
}{
	{web.Link{Title: "Overview", URL: home, Icon: "pulse"}, holders},
	{web.Link{Title: "Partners", URL: "/admin/partners", Icon: "people"}, manager.MayReadPartners},
	{web.Link{Title: "Products", URL: "/admin/products", Icon: "products"}, manager.MayReadPolicy},
	{web.Link{Title: "Requests", URL: "/admin/requests", Icon: "list"}, manager.MayReadUsage},
	{web.Link{Title: "Proxies", URL: "/admin/proxies", Icon: "proxy"}, manager.MayReadPolicy},
	{web.Link{Title: "Audit", URL: "/admin/audit", Icon: "journal"}, manager.MayReadAudit},
}

// frame surrounds a page of a section, such as "/admin/partners", and says once
// what was just done.
func (v *visit) frame(title, section string) (frame, error) {
	f := v.quietFrame(title, section)
	f.Notice = v.Sessions.PopString(v.ctx(), sessionNotice)
	var err error
	if version := v.Sessions.PopInt(v.ctx(), sessionChange); version != 0 {
		f.Change, err = v.change(int64(version))
	}
	return f, err
}

// quietFrame leaves what was just done to another page: pages ask for some by
// themselves while the one that should say it is on its way.
func (v *visit) quietFrame(title, section string) frame {
	f := frame{Frame: v.Frame(v.r, title)}
	f.Operator = operatorFrame{Name: v.principal.Name, Role: string(v.grant().Role), Teams: strings.Join(v.grant().Teams, ", ")}
	for _, s := range sections {
		if s.needs == holders || v.may(s.needs) {
			s.link.Current = s.link.URL == section
			f.Operator.Navigation = append(f.Operator.Navigation, s.link)
		}
	}
	return f
}
