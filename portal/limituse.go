package portal

import "github.com/partnergate/partnergate/manager"

// limitUse is what is spent of the partner's quotas in an environment.
func (v *visit) limitUse(environment string) ([]manager.LimitUse, error) {
	return v.service.LimitUse(v.ctx(), v.name(), environment)
}
