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
	Since                               web.Moment
}

type outcomeRow struct {
	web.Outcome
	Requests    string
	Percent     int // of the most frequent
	RequestsURL string
}

// usage is what was decided about what a key matches; for a token that is
// confined to teams, about their products. It asks about whole hours, whose
// sums the store keeps: the last 24, with the one under way.
func (v *visit) usage(match manager.UsageKey, to func(outcome string) string) (usageView, error) {
	hour := v.Now().UTC().Truncate(time.Hour)
	from, sums, products := hour.Add(-23*time.Hour), map[string]int64{}, v.Service.ProductsOf(v.grant())
	usage, err := v.Service.Usage(v.ctx(), manager.UsageQuery{
		Match: match, From: from, To: hour.Add(time.Hour), GroupBy: []manager.UsageDimension{manager.ByProduct, manager.ByOutcome},
	})
	if err != nil {
		return usageView{}, err
	}
	for _, row := range usage.Sums {
		if products == nil || slices.Contains(products, row.Group[manager.ByProduct]) {
			sums[row.Group[manager.ByOutcome]] += row.Requests
		}
	}
	view := usageOf(sums, to)
	view.Since = web.MomentOf(from, from.Format("2 Jan, 15:04"))
	return view, nil
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
		view.Outcomes = append(view.Outcomes, outcomeRow{outcomeOf(name), web.Number(sums[name]), web.Percent(sums[name], most), to(name)})
	}
	return view
}
