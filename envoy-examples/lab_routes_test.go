package envoyexamples

import "testing"

// TestRoutesAreChosenByWhatTheFiltersLeave routes by headers that the filters set and remove. Envoy chooses the route anew when a filter has changed
// the headers: by the partner that was found, never by what a client wrote.
func TestRoutesAreChosenByWhatTheFiltersLeave(t *testing.T) {
	l := getLab(t)
	for _, listener := range []string{"plain", "singles", "combined"} {
		for _, c := range []struct{ name, partner, header, want string }{
			{"the partner's own route", "lab-route", "x-other: 1", "by-partner"},
			{"another partner", "lab-plain", "x-other: 1", "by-path"},
			{"a forged identity", "lab-plain", "x-partner-id: lab-route", "by-path"},
			{"a forged identity with _", "lab-plain", "x_partner_id: lab-route", "by-path"},
			{"an identity forged over one's own", "lab-route", "x-partner-id: lab-plain", "by-partner"},
			{"a header that the filters remove", "lab-plain", "x-partner-tier: gold", "by-path"},
		} {
			if a := l.call(t, listener, c.partner, "/lab/ping", "x-route: 1", c.header); a.status != 200 || a.body != c.want {
				t.Errorf("%s, %s: got %d %q, want %q", listener, c.name, a.status, a.body, c.want)
			}
		}
		if a := l.call(t, listener, "", "/lab/ping", "x-route: 1", "x-partner-id: lab-route"); a.outcome() != "credential_missing" {
			t.Errorf("%s: a route on headers let a request past the filters: %d %s", listener, a.status, a.body)
		}
	}
}
