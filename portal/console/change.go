package console

import (
	"net/http"
	"strconv"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// changeView tells how far a change of policy has come.
type changeView struct {
	Version      int64
	MayWatch     bool // the role includes to see proxies
	Acknowledged int
	Proxies      int // in contact
	All          bool
	Behind       []string // ids of the first few that are not yet there
}

// behindShown is how many proxies that are behind are named.
const behindShown = 5

func (v *visit) change(version int64) (changeView, error) {
	view := changeView{Version: version, MayWatch: v.may(manager.MayReadPolicy)}
	if !view.MayWatch {
		return view, nil
	}
	proxies, err := v.Service.Proxies(v.ctx())
	for _, p := range proxies {
		switch {
		case !p.Live:
			continue
		case p.PolicyVersion >= version:
			view.Acknowledged++
		case len(view.Behind) < behindShown:
			view.Behind = append(view.Behind, p.ID)
		}
		view.Proxies++
	}
	view.All = view.Acknowledged == view.Proxies
	return view, err
}

// redirect goes to another page after a POST, which says notice once, and in
// which version of the policy it is in force; 0 where that did not change.
func (v *visit) redirect(to, notice string, version int64) error {
	v.Sessions.Put(v.ctx(), sessionNotice, notice)
	if version != 0 {
		v.Sessions.Put(v.ctx(), sessionChange, int(version))
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// changeDoneView is how far a change has come, as a page of its own.
type changeDoneView struct{ Frame frame }

func (s *server) changeDone(v *visit) error {
	version, err := strconv.ParseInt(v.r.PathValue("version"), 10, 64)
	if err != nil || version < 1 || version > s.Service.PolicyVersion() {
		return web.ErrNotFound
	}
	if v.r.Header.Get("HX-Request") != "" { // a page asks each second, also where nobody sits before it
		web.LeaveSession(v.ctx())
	}
	f := v.quietFrame("Change", home)
	if f.Change, err = v.change(version); err != nil {
		return err
	}
	return v.render(changeDoneView{f})
}
