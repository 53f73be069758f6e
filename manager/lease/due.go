package lease

// Where a contract has fewer requests of burst, or slots, than there are
// proxies, some get nothing. Then only those count that had a request lately,
// and they take turns.
const (
	scarceAfter = 30_000 // milliseconds without a request
	turn        = 5_000  // milliseconds
)

// dues are the equal shares of those who use the bucket: nobody else has any.
func (b *Bucket) dues(now int64) map[string]share {
	whole, unit := b.whole(), b.unit()
	requests := whole.size / unit
	users := b.users(now - idleAfter)
	if int64(len(users)) > requests {
		if lately := b.users(now - scarceAfter); len(lately) > 0 {
			users = lately
		}
	}
	if int64(len(users)) > requests {
		users = inTurn(users, requests, now)
	}
	due := make(map[string]share, len(users))
	for i, proxy := range users {
		due[proxy] = share{part(whole.rate, len(users), i), part(requests, len(users), i) * unit}
	}
	return due
}

// users are the proxies that had a request after t, in order.
func (b *Bucket) users(t int64) (proxies []string) {
	for i := range b.holders {
		if b.holders[i].usedSince(t) {
			proxies = append(proxies, b.holders[i].proxy)
		}
	}
	return proxies
}

// inTurn picks n of the proxies.
func inTurn(proxies []string, n, now int64) []string {
	first := now / turn % int64(len(proxies))
	picked := make([]string, 0, n)
	for i := range n {
		picked = append(picked, proxies[(first+i)%int64(len(proxies))])
	}
	return picked
}

// part is the i-th of n nearly equal parts of whole; the first ones have what
// does not divide.
func part(whole int64, n, i int) int64 {
	p := whole / int64(n)
	if int64(i) < whole%int64(n) {
		p++
	}
	return p
}
