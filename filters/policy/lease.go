package policy

// A lease is what a proxy process holds of a contract. The manager debits
// before it grants, so that no number of proxies, crashes or lost replies lets
// more through than the contract says.

// RateUnit is one request of a rate, in units: small enough that every rate is
// a whole number of units a millisecond, and shares of it nearly so.
const RateUnit = 3_600_000_000

// UnitsPerMillisecond is a rate of so many requests a second, minute or hour.
func (k LimitKind) UnitsPerMillisecond(requests int64) int64 {
	switch k {
	case RatePerSecond:
		return requests * (RateUnit / 1000)
	case RatePerMinute:
		return requests * (RateUnit / 60_000)
	case RatePerHour:
		return requests * (RateUnit / 3_600_000)
	}
	return 0
}

// Report is the state of one bucket in the proxy's ledger. Fields that the kind
// of its limit does not have are 0.
type Report struct {
	ID        string
	Wanted    bool   // a request waits for it, or its tokens run low
	Epoch     uint64 // of the last grant taken in; 0 for none
	Given     int64  // what taking that grant in gave back: units of a rate, tokens of a quota
	WindowEnd int64  // quota: of the tokens held, Unix milliseconds
	Tokens    int64  // quota: unspent
	InFlight  int64  // concurrency: slots in use
	Demand    uint64 // requests that asked for it since the report before: admitted ones, and ones that wait
	Spent     uint64 // requests that it admitted since the report before
}

// Grant changes what a proxy holds of a bucket. It is taken in once, when its
// epoch is higher than that of the ledger; Report.Epoch then acknowledges it.
type Grant struct {
	ID    string
	Epoch uint64

	// Rate: the share from now on, and units added to its level. A smaller
	// burst gives back the part of the level that the share shrinks by.
	Rate  int64 // units a millisecond
	Burst int64 // units
	Level int64 // units added
	// Concurrency: slots from now on.
	Slots int64
	// Quota: tokens added; Recall gives all tokens back before.
	Tokens    int64
	Recall    bool
	WindowEnd int64 // Unix milliseconds
	Left      int64 // of the contract, not granted to anybody
	Spent     bool  // nothing is left in this window, and nobody holds unspent tokens
}
