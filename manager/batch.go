package manager

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/partnergate/partnergate/filters/wire"
)

// Bounds of what is believed of a batch. What is longer is cut; usage of a
// minute that cannot be is counted at the time of its arrival.
const (
	maxWord     = 256 // bytes of a name, an operation id, a request id
	maxPath     = 4096
	maxUsageAge = 31 * 24 * time.Hour
	maxAhead    = 10 * time.Minute
	maxCount    = 1 << 40 // requests of one key in one minute
)

// clean is s as UTF-8 without control characters, of at most n bytes.
func clean(s string, n int) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] != 0x7f
	}
	if !plain || !utf8.ValidString(s) {
		s = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return utf8.RuneError
			}
			return r
		}, s)
	}
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// believable is t, or now where t cannot be.
func believable(t, now time.Time) time.Time {
	if t.Before(now.Add(-maxUsageAge)) || t.After(now.Add(maxAhead)) {
		return now
	}
	return t
}

func usageRows(batch []wire.Usage, now time.Time) []UsageRow {
	rows := make([]UsageRow, 0, len(batch))
	for i := range batch {
		u := &batch[i]
		if u.Count == 0 {
			continue
		}
		rows = append(rows, UsageRow{
			Minute:   believable(minuteTime(u.Minute), now).UTC().Truncate(time.Minute),
			Key:      usageKey(u.Partner, u.Application, u.Product, u.Environment, u.Operation, u.Outcome),
			Requests: int64(min(u.Count, maxCount)),
		})
	}
	return rows
}

// minuteTime does not overflow, whatever it is told.
func minuteTime(minute int64) time.Time {
	const century = 100 * 366 * 24 * 60
	return time.Unix(min(max(minute, 0), 2*century)*60, 0)
}

func usageKey(partner, application, product, environment, operation, outcome string) UsageKey {
	return UsageKey{
		Partner: clean(partner, maxWord), Application: clean(application, maxWord), Product: clean(product, maxWord),
		Environment: clean(environment, maxWord), Operation: clean(operation, maxWord), Outcome: clean(outcome, maxWord),
	}
}

func requestRecords(batch []wire.Request, proxy string, now time.Time) []RequestRecord {
	records := make([]RequestRecord, len(batch))
	for i := range batch {
		r := &batch[i]
		records[i] = RequestRecord{
			Time:       believable(time.UnixMilli(r.Time), now).UTC(),
			RequestID:  clean(r.RequestID, maxWord),
			Key:        usageKey(r.Partner, r.Application, r.Product, r.Environment, r.Operation, r.Outcome),
			Credential: clean(r.Credential, maxWord), Method: clean(r.Method, maxWord), Path: clean(r.Path, maxPath),
			Status: int(min(r.Status, 999)), Limit: clean(r.Limit, maxWord),
			PolicyVersion: signed(r.PolicyVersion), Proxy: proxy,
		}
	}
	return records
}

// credentialUses is when each credential was last seen, by partner and public id.
func credentialUses(records []RequestRecord) map[string]map[string]time.Time {
	uses := map[string]map[string]time.Time{}
	for i := range records {
		r := &records[i]
		if r.Key.Partner == "" || r.Credential == "" {
			continue
		}
		of := uses[r.Key.Partner]
		if of == nil {
			of = map[string]time.Time{}
			uses[r.Key.Partner] = of
		}
		of[r.Credential] = latest(of[r.Credential], r.Time)
	}
	return uses
}

// signed is v, or the most that a signed number holds.
func signed(v uint64) int64 { return int64(min(v, 1<<63-1)) }
