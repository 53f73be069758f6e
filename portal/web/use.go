package web

import (
	"time"

	"github.com/partnergate/partnergate/manager"
)

// Use is what of a quota is spent.
type Use struct {
	Application    string // where each application has its own
	Used, Of, Left string
	Percent        int
	Resets         Moment
}

// UseOf is a quota's use as pages show it.
func UseOf(use manager.LimitUse, now time.Time) Use {
	of := use.Used + use.Remaining
	return Use{
		Application: use.Application, Used: Number(use.Used), Of: Number(of), Left: Number(use.Remaining),
		Percent: Percent(use.Used, of), Resets: Until(use.ResetsAt, now),
	}
}
