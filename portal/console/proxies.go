package console

import (
	"encoding/base64"
	"sort"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// proxiesView is every proxy heard from within the last day.
type proxiesView struct {
	Frame   frame
	Version int64 // what is published
	Proxies []proxyRow
	Count   proxyCount
	Pager   pager
}

// proxyCount is how the proxies stand.
type proxyCount struct{ Live, Behind, Silent int }

type proxyRow struct {
	ID, Node string
	Version  int64
	Age      string // since it confirmed that version
	LastSync web.Moment
	State    web.Badge
}

func (s *server) proxies(v *visit) error {
	f, err := v.frame("Proxies", "/admin/proxies")
	if err != nil {
		return err
	}
	all, err := s.Service.Proxies(v.ctx())
	if err != nil {
		return err
	}
	version := s.Service.Published().Version
	view := proxiesView{Frame: f, Version: version, Count: countProxies(all, version)}
	after, err := base64.RawURLEncoding.DecodeString(v.query("cursor"))
	if err != nil {
		return web.ErrNotFound
	}
	rest := all[sort.Search(len(all), func(i int) bool { return all[i].ID > string(after) }):]
	next := ""
	if len(rest) > rowsOnPage {
		rest = rest[:rowsOnPage]
		next = base64.RawURLEncoding.EncodeToString([]byte(rest[rowsOnPage-1].ID))
	}
	view.Pager = v.pager(next)
	for i := range rest {
		view.Proxies = append(view.Proxies, proxyRowOf(&rest[i], version, v.Now()))
	}
	return v.render(view)
}

func countProxies(all []manager.ProxyView, version int64) (n proxyCount) {
	for i := range all {
		switch {
		case !all[i].Live:
			n.Silent++
		case all[i].PolicyVersion < version:
			n.Live, n.Behind = n.Live+1, n.Behind+1
		default:
			n.Live++
		}
	}
	return n
}

func proxyRowOf(p *manager.ProxyView, version int64, now time.Time) proxyRow {
	row := proxyRow{
		ID: p.ID, Node: p.Node, Version: p.PolicyVersion, Age: lasted(p.PolicyAge), LastSync: web.Ago(p.LastSync, now),
		State: web.Badge{Word: "Up to date", Tone: "good", Text: "It decides by the policy that is published."},
	}
	switch {
	case !p.Live:
		row.State = web.Badge{Word: "Silent", Tone: "bad", Text: "It was not heard from for 15 seconds: its shares are given on. It goes on deciding by its last policy."}
	case p.PolicyVersion < version:
		row.State = web.Badge{Word: "Behind", Tone: "warn", Text: "It decides by an older policy than the one that is published."}
	}
	return row
}

// lasted is a duration as people say it.
func lasted(d time.Duration) string {
	switch {
	case d < time.Minute:
		return web.Count(int64(d.Seconds()), "second")
	case d < time.Hour:
		return web.Count(int64(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return web.Count(int64(d.Hours()), "hour")
	}
	return web.Count(int64(d.Hours()/24), "day")
}
