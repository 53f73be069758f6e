package console

import (
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// overviewView is how the estate stands.
type overviewView struct {
	Frame     frame
	MayPolicy bool // the role includes to see policy and proxies
	Version   int64
	Lineage   string
	Published web.Moment
	Proxies   proxyCount
	Usage     usageView
	Waiting   waitingView
}

// waitingView is what waits for somebody to decide.
type waitingView struct {
	Requested     []requestedRow
	MoreRequested int
	Ending        []endingRow
	MoreEnding    int
	Nothing       bool
}

type requestedRow struct {
	Partner, PartnerURL, Product, Environment, Plan string
	Since                                           web.Moment
	Acts                                            []actLink
}

type endingRow struct {
	ID, Partner, PartnerURL, Application, Environment string
	Ends                                              web.Moment
}

const (
	endsSoon     = 14 * 24 * time.Hour // from when on the end of a key waits for a decision
	waitingShown = 10
)

func (s *server) overview(v *visit) error {
	f, err := v.frame("Overview", home)
	if err != nil {
		return err
	}
	published := s.Service.Published()
	view := overviewView{
		Frame: f, MayPolicy: v.may(manager.MayReadPolicy), Version: published.Version, Lineage: published.Lineage(),
		Published: web.Ago(published.At, v.Now()),
	}
	if view.MayPolicy {
		proxies, err := s.Service.Proxies(v.ctx())
		if err != nil {
			return err
		}
		view.Proxies = countProxies(proxies, published.Version)
	}
	view.Usage, err = v.usage(manager.UsageKey{}, func(outcome string) string { return requestsURL("outcome", outcome) })
	if err != nil {
		return err
	}
	view.Waiting = v.waiting()
	return v.render(view)
}

func (v *visit) waiting() waitingView {
	w := v.Service.Waiting(v.grant(), endsSoon)
	view := waitingView{Nothing: len(w.Requested)+len(w.Ending) == 0}
	view.MoreRequested, view.MoreEnding = max(0, len(w.Requested)-waitingShown), max(0, len(w.Ending)-waitingShown)
	for _, r := range w.Requested[:len(w.Requested)-view.MoreRequested] {
		view.Requested = append(view.Requested, requestedRow{
			Partner: r.Metadata.Partner, PartnerURL: partnerURL(r.Metadata.Partner), Product: r.Spec.Product, Environment: r.Spec.Environment,
			Plan: r.Spec.Plan, Since: web.Ago(r.Metadata.UpdatedAt, v.Now()), Acts: v.subscriptionActs(r),
		})
	}
	for _, c := range w.Ending[:len(w.Ending)-view.MoreEnding] {
		view.Ending = append(view.Ending, endingRow{
			ID: c.Metadata.Name, Partner: c.Metadata.Partner, PartnerURL: partnerURL(c.Metadata.Partner), Application: c.Application,
			Environment: c.Environment, Ends: web.Until(*c.ExpiresAt, v.Now()),
		})
	}
	return view
}
