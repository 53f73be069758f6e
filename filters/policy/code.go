package policy

// Code is the outcome of a decision: Undecided, Admitted, or why it was
// refused. The codes, their statuses and their texts stand here and nowhere
// else; filters, manager, portal and docs read them from here.
type Code uint8

// The codes, in the order in which a request meets them.
const (
	Undecided Code = iota
	Admitted
	PathNotCanonical
	PolicyUnavailable
	PolicyStale
	CredentialMissing
	CredentialAmbiguous
	CredentialUnknown
	CredentialRevoked
	CredentialExpired
	PartnerSuspended
	EnvironmentMismatch
	OperationNotFound
	SubscriptionSuspended
	LimitExceeded
	LimitUnavailable
	CapacityExceeded
	FilterMissing
	FilterError
	numCodes
)

// CodeInfo is what is told of a code.
type CodeInfo struct {
	Name   string // the machine word, such as "credential_missing"
	Status int    // HTTP status; 0 for codes that are not refusals
	GRPC   string // grpc-status, decimal
	Title  string
	Detail string // what it means and what the caller can do
}

var codes = [numCodes]CodeInfo{
	Undecided: {Name: "undecided"},
	Admitted:  {Name: "admitted", Title: "Admitted", Detail: "The request was let through to the product."},
	PathNotCanonical: {"path_not_canonical", 400, "3", "The path is not canonical",
		"The path is spelled in a way that two programs could read differently: a double slash, a dot segment, a backslash, or an escape that is not allowed. Send the path as the product documents it."},
	PolicyUnavailable: {"policy_unavailable", 503, "14", "The gateway has no policy yet",
		"The gateway has not yet learned whom to let in. Try again in a few seconds."},
	PolicyStale: {"policy_stale", 503, "14", "The gateway's policy is too old",
		"The gateway has been without its manager for longer than its operator allows. Try again later."},
	CredentialMissing: {"credential_missing", 401, "16", "No API key was sent",
		"Send your API key in the x-api-key header, or as Authorization: Bearer."},
	CredentialAmbiguous: {"credential_ambiguous", 401, "16", "More than one API key was sent",
		"Send exactly one API key, in exactly one header."},
	CredentialUnknown: {"credential_unknown", 401, "16", "The API key is not known",
		"Check that the whole key was copied. Keys are made and listed on the portal, under Applications."},
	CredentialRevoked: {"credential_revoked", 401, "16", "The API key was revoked",
		"Make a new key on the portal, under Applications."},
	CredentialExpired: {"credential_expired", 401, "16", "The API key has expired",
		"Make a new key on the portal, under Applications, or use the one that it was rotated to."},
	PartnerSuspended: {"partner_suspended", 403, "7", "The partner is suspended",
		"All access of this partner is suspended. Ask your contact at the provider."},
	EnvironmentMismatch: {"environment_mismatch", 403, "7", "The key belongs to another environment",
		"A key works in one environment only. Call the host of the key's environment, or use a key of this one."},
	OperationNotFound: {"operation_not_found", 404, "5", "There is no such operation",
		"Nothing that you can call answers to this host, method and path. The portal's catalog lists what you can call."},
	SubscriptionSuspended: {"subscription_suspended", 403, "7", "The subscription is suspended",
		"Your subscription to this product is suspended. Ask your contact at the provider."},
	LimitExceeded: {"limit_exceeded", 429, "8", "A limit of your contract is reached",
		"Wait as long as Retry-After says. The limit member names the limit; the portal shows your use against it."},
	LimitUnavailable: {"limit_unavailable", 503, "14", "The limit cannot be counted right now",
		"The gateway could not get its share of your contract. Try again in a few seconds."},
	CapacityExceeded: {"capacity_exceeded", 503, "14", "The product is at its capacity",
		"The product cannot take more requests at the moment. Try again in a few seconds."},
	FilterMissing: {"filter_missing", 500, "13", "The gateway is not set up completely",
		"A filter of the gateway found no decision of the one before it. Tell the operator."},
	FilterError: {"filter_error", 500, "13", "The gateway failed",
		"The gateway could not decide this request. Tell the operator, with the request id."},
}

// Info returns what is told of the code; of an unknown one, what is told of FilterError.
func (c Code) Info() *CodeInfo {
	if c >= numCodes {
		c = FilterError
	}
	return &codes[c]
}

// String is the code's machine word.
func (c Code) String() string { return c.Info().Name }

// Refused reports whether the code is a refusal.
func (c Code) Refused() bool { return c > Admitted }

// Refusals lists all codes that are refusals.
func Refusals() []Code {
	list := make([]Code, 0, numCodes)
	for c := Admitted + 1; c < numCodes; c++ {
		list = append(list, c)
	}
	return list
}

// ParseCode returns the code of a machine word.
func ParseCode(name string) (Code, bool) {
	for c := range codes {
		if codes[c].Name == name {
			return Code(c), true
		}
	}
	return Undecided, false
}
