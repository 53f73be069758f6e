package console

import (
	"cmp"
	"slices"
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

// outcomes sums the last 24 hours of what match selects by outcome. A token
// that is confined to teams sees the sum over their products.
func (v *visit) outcomes(match manager.UsageKey, to func(outcome string) string) (usageView, error) {
	sums := map[string]int64{}
	products := v.Service.ProductsOf(v.grant())
	if products == nil || match.Product != "" {
		products = []string{match.Product}
	}
	now := v.Now()
	for _, product := range products {
		match.Product = product
		rows, err := v.Service.Usage(v.ctx(), manager.UsageQuery{
			Match: match, From: now.Add(-24 * time.Hour), To: now.Add(time.Minute), GroupBy: []manager.UsageDimension{manager.ByOutcome},
		})
		if err != nil {
			return usageView{}, err
		}
		for _, row := range rows {
			sums[row.Group[manager.ByOutcome]] += row.Requests
		}
	}
	return usageOf(sums, to), nil
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
