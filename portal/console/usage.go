package console

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// usageView is what was decided in the last 24 hours.
type usageView struct {
	Total, Admitted, Refused, RefusedOf string
	Outcomes                            []outcomeRow // most first
	Empty                               bool
}

type outcomeRow struct {
	web.Outcome
	Requests    string
	Percent     int // of the most frequent
	RequestsURL string
}

// tally holds what was decided in the last 24 hours by product and outcome. At
// a large estate that is a sum of millions, so that it is made once a minute.
type tally struct {
	mu   sync.Mutex // guards the rest; held while it is summed, so that one sums and others wait
	at   time.Time
	sums map[string]map[string]int64
}

// tallied is for how long a tally is good enough.
const tallied = time.Minute

// byProduct are the sums of each outcome by product; never changed.
func (s *server) byProduct(ctx context.Context) (map[string]map[string]int64, error) {
	t := &s.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	now := s.Now()
	if t.sums != nil && now.Sub(t.at) < tallied {
		return t.sums, nil
	}
	rows, err := s.Service.Usage(ctx, lastDay(now, manager.UsageKey{}, manager.ByProduct, manager.ByOutcome))
	if err != nil {
		return nil, err
	}
	t.at, t.sums = now, map[string]map[string]int64{}
	for _, row := range rows {
		product := row.Group[manager.ByProduct]
		if t.sums[product] == nil {
			t.sums[product] = map[string]int64{}
		}
		t.sums[product][row.Group[manager.ByOutcome]] += row.Requests
	}
	return t.sums, nil
}

func lastDay(now time.Time, match manager.UsageKey, by ...manager.UsageDimension) manager.UsageQuery {
	return manager.UsageQuery{Match: match, From: now.Add(-24 * time.Hour), To: now.Add(time.Minute), GroupBy: by}
}

// usageOfProducts is about some products; nil stands for all requests.
func (v *visit) usageOfProducts(products []string, to func(outcome string) string) (usageView, error) {
	all, err := v.byProduct(v.ctx())
	sums := map[string]int64{}
	for product, outcomes := range all {
		if products == nil || slices.Contains(products, product) {
			for outcome, n := range outcomes {
				sums[outcome] += n
			}
		}
	}
	return usageOf(sums, to), err
}

// usageOfPartner is about a partner; for a token that is confined to teams, about their products.
func (v *visit) usageOfPartner(partner string, to func(outcome string) string) (usageView, error) {
	sums, products := map[string]int64{}, v.Service.ProductsOf(v.grant())
	rows, err := v.Service.Usage(v.ctx(), lastDay(v.Now(), manager.UsageKey{Partner: partner}, manager.ByProduct, manager.ByOutcome))
	for _, row := range rows {
		if products == nil || slices.Contains(products, row.Group[manager.ByProduct]) {
			sums[row.Group[manager.ByOutcome]] += row.Requests
		}
	}
	return usageOf(sums, to), err
}

func usageOf(sums map[string]int64, to func(outcome string) string) usageView {
	var total, most int64
	names := make([]string, 0, len(sums))
	for name, n := range sums {
		total, most, names = total+n, max(most, n), append(names, name)
	}
	admitted := sums[policy.Admitted.String()]
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b)) })
	view := usageView{Empty: total == 0, Total: web.Number(total), Admitted: web.Number(admitted), Refused: web.Number(total - admitted), RefusedOf: web.Share(total-admitted, total)}
	for _, name := range names {
		view.Outcomes = append(view.Outcomes, outcomeRow{web.OutcomeOf(name), web.Number(sums[name]), web.Percent(sums[name], most), to(name)})
	}
	return view
}
