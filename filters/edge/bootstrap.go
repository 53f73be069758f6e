package edge

import (
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
)

// bootstrap makes this VM decide by the snapshot in the plugin's configuration
// until the manager's policy is there, which takes its place whatever its
// version and lineage: only a manager knows what holds now. One that is no good
// leaves the VM without a policy, as if there were none.
func (e *Edge) bootstrap(p *Plugin) {
	text := p.config.Bootstrap
	p.config.Bootstrap = "" // it is large
	r := &e.replica
	if text == "" || r.snapshot != nil {
		return
	}
	raw, ok := decodeBase64(text)
	if !ok {
		e.rejectBootstrap(policy.ErrMalformed)
		return
	}
	snapshot, date, err := policy.ReadBootstrap(raw, e.manager.Token, now())
	if err != nil {
		e.rejectBootstrap(err)
		return
	}
	r.booted = date
	r.state.contact = date
	r.swap(snapshot, 0)
	gauge("partnergate_policy_bootstrap", 1)
	proxywasm.LogWarn("partnergate: no policy of the manager is here yet; decisions are made by the one in the configuration")
}

func (e *Edge) rejectBootstrap(err error) {
	countReason("partnergate_bootstrap_rejected", reason(err))
	proxywasm.LogError("partnergate: bootstrap: it is not used, and there is no policy until the manager's comes: " + err.Error() +
		"; make it anew with: partnergate export --snapshot")
}

// held is the policy that came from the manager; nil where there is none yet.
func (r *replica) held() *policy.Snapshot {
	if r.booted != 0 {
		return nil
	}
	return r.snapshot
}

// decodeBase64 reads the standard alphabet, padded or not; encoding/base64
// would bring reflection into the module.
func decodeBase64(text string) (string, bool) {
	for n := 0; n < 2 && len(text) > 0 && text[len(text)-1] == '='; n++ {
		text = text[:len(text)-1]
	}
	if len(text)%4 == 1 {
		return "", false
	}
	raw := make([]byte, 0, len(text)/4*3+2)
	bits, value := 0, uint32(0)
	for i := 0; i < len(text); i++ {
		digit, ok := base64Digit(text[i])
		if !ok {
			return "", false
		}
		value = value<<6 | digit
		if bits += 6; bits >= 8 {
			bits -= 8
			raw = append(raw, byte(value>>bits))
		}
	}
	return proxywasm.ViewString(raw), value&(1<<bits-1) == 0
}

func base64Digit(c byte) (uint32, bool) {
	switch {
	case c >= 'A' && c <= 'Z':
		return uint32(c - 'A'), true
	case c >= 'a' && c <= 'z':
		return uint32(c-'a') + 26, true
	case c >= '0' && c <= '9':
		return uint32(c-'0') + 52, true
	case c == '+':
		return 62, true
	case c == '/':
		return 63, true
	}
	return 0, false
}
