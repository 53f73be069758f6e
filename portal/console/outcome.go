package console

import (
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/portal/web"
)

// told is what an operator reads of an outcome. What policy.CodeInfo says is
// for who called: it speaks of their key and their contract.
type told struct {
	Title  string // empty: as who called reads it
	Detail string
}

var outcomes = map[policy.Code]told{
	policy.Admitted:              {"", "The request was let through to the product."},
	policy.PathNotCanonical:      {"", "The path is spelled in a way that two programs could read differently: a double slash, a dot segment, a backslash, or an escape that is not allowed. The caller has to send it as the product documents it."},
	policy.PolicyUnavailable:     {"", "The proxy has had no policy since its start. See under Proxies whether it reaches the manager."},
	policy.PolicyStale:           {"", "The proxy has been without the manager for longer than its setting max_stale allows. See under Proxies whether it is in contact."},
	policy.CredentialMissing:     {"", "The caller sent no key, neither in x-api-key nor as Authorization: Bearer."},
	policy.CredentialAmbiguous:   {"", "The caller sent more than one key, or one in more than one header."},
	policy.CredentialUnknown:     {"", "No partner has this key: it was copied in part, is another estate's, or is gone with its application."},
	policy.CredentialRevoked:     {"", "The key was revoked, and a program still sends it. The partner can make another one in the portal."},
	policy.CredentialExpired:     {"", "The key's time is over, and a program still sends it. The partner can make another one in the portal, or use the one that it was rotated to."},
	policy.PartnerSuspended:      {"", "All access of the partner is suspended until somebody activates it again."},
	policy.EnvironmentMismatch:   {"", "A key works in one environment only, and this host is another's. The partner calls the wrong host, or with the wrong key."},
	policy.OperationNotFound:     {"The operation is not there for the partner", "Nothing that the partner can call answers to this host, method and path: it does not exist, or the partner holds no subscription to it. Callers are not told which."},
	policy.SubscriptionSuspended: {"", "The partner's subscription to this product is suspended until somebody activates it again."},
	policy.LimitExceeded:         {"A limit of the partner's contract is reached", "The partner was told to wait until there is room. Its plan, or an override of the subscription, sets the limit."},
	policy.LimitUnavailable:      {"", "The proxy got no share of the contract from the manager in time. See under Proxies whether it is in contact."},
	policy.CapacityExceeded:      {"", "All partners together ask for more than the product's capacity; each gets its plan's weight of it."},
	policy.FilterMissing:         {"", "A filter found no decision of the one before it: the proxy's configuration lacks a filter, or has them in another order."},
	policy.FilterError:           {"", "The filter could not decide: its configuration is wrong, or it failed. The proxy's log says why."},
}

// outcomeOf is the outcome of that name, as an operator reads it.
func outcomeOf(name string) web.Outcome {
	o := web.OutcomeOf(name)
	code, ok := policy.ParseCode(name)
	if words, known := outcomes[code]; ok && known {
		o.Detail = words.Detail
		if words.Title != "" {
			o.Title = words.Title
		}
	}
	return o
}
