package demo

import "net/http"

// sample is the fixed answer of an upstream to one operation.
type sample struct {
	status int
	body   map[string]any // JSON; what was received is added
	text   string         // instead of body: CSV
}

type object = map[string]any

func list(items ...any) object { return object{"items": items} }

var charge = object{
	"id": "ch_1042", "amount": 1250, "amount_refunded": 0, "currency": "EUR", "status": "succeeded", "created_at": "2026-05-31T09:14:07Z",
}

var payout = object{"id": "po_88", "amount": 250000, "currency": "EUR", "status": "sent", "arrives_on": "2026-06-02"}

var refund = object{"id": "re_5120", "charge": "ch_1042", "amount": 1250, "status": "succeeded"}

var score = object{"id": "sc_301", "score": 412, "reasons": []string{"unusual_amount", "new_country"}}

// samples are the answers by upstream, then by method and path template, as
// the estate's OpenAPI documents describe them.
var samples = map[string]map[string]sample{
	"payments": {
		"GET /payments/charges": {http.StatusOK, list(charge,
			object{"id": "ch_1041", "amount": 8900, "currency": "EUR", "status": "refunded", "created_at": "2026-05-31T08:51:22Z"}), ""},
		"POST /payments/charges":                    {http.StatusCreated, charge, ""},
		"GET /payments/charges/export":              {http.StatusOK, nil, "id,amount,currency,status\nch_1042,1250,EUR,succeeded\nch_1041,8900,EUR,refunded\n"},
		"GET /payments/charges/{chargeId}":          {http.StatusOK, charge, ""},
		"POST /payments/charges/{chargeId}/refunds": {http.StatusCreated, refund, ""},
		"GET /payments/refunds/{refundId}":          {http.StatusOK, refund, ""},
		"GET /payments/balances": {http.StatusOK, list(
			object{"currency": "EUR", "available": 1830400, "pending": 92150}, object{"currency": "GBP", "available": 70100, "pending": 0}), ""},
		"GET /payments/payouts":            {http.StatusOK, list(payout), ""},
		"POST /payments/payouts":           {http.StatusCreated, payout, ""},
		"GET /payments/payouts/{payoutId}": {http.StatusOK, payout, ""},
	},
	"risk": {
		"GET /risk/feeds": {http.StatusOK, list(
			object{"id": "stolen-cards", "title": "Stolen cards", "entries": 48211, "updated_at": "2026-05-31T09:00:00Z"},
			object{"id": "bad-devices", "title": "Devices used for fraud", "entries": 9120, "updated_at": "2026-05-31T08:30:00Z"}), ""},
		"GET /risk/feeds/{feedId}/entries": {http.StatusOK, object{"next_cursor": "c_77", "items": []any{
			object{"value": "fp_9b1c", "confidence": 93, "added_at": "2026-05-31T08:59:41Z"}}}, ""},
		"POST /risk/scores":          {http.StatusCreated, score, ""},
		"GET /risk/scores/{scoreId}": {http.StatusOK, score, ""},
		"GET /risk/alerts": {http.StatusOK, list(
			object{"id": "al_12", "charge": "ch_0977", "kind": "chargeback", "raised_at": "2026-05-30T22:10:00Z"}), ""},
		"PUT /risk/alerts/{alertId}/acknowledgement": {http.StatusNoContent, nil, ""},
	},
}
