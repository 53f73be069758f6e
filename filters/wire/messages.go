package wire

func (e *encoder) proxy(p *ProxyID) {
	e.string(p.Node)
	e.array(p.Nonce[:])
}

func (d *decoder) proxy() (p ProxyID) {
	p.Node = d.string()
	d.array(p.Nonce[:])
	return p
}

// Append encodes the message.
func (m *Watch) Append(b []byte) []byte {
	e := encoder(b)
	e.head(kindWatch)
	e.proxy(&m.Proxy)
	e.byte(m.Schema)
	e.array(m.Lineage[:])
	e.uint64(m.Version)
	e.array(m.Digest[:])
	e.uint32(m.Wait)
	return e
}

// ParseWatch decodes a Watch.
func ParseWatch(raw string) (m Watch, err error) {
	d := decoder{rest: raw}
	d.head(kindWatch)
	m.Proxy = d.proxy()
	m.Schema = d.byte()
	d.array(m.Lineage[:])
	m.Version = d.uint64()
	d.array(m.Digest[:])
	m.Wait = d.uint32()
	return m, d.end()
}

// Append encodes the message.
func (m *WatchReply) Append(b []byte) []byte {
	e := encoder(b)
	e.head(kindWatchReply)
	e.string(m.Manifest)
	e.bool(m.SyncNow)
	return e
}

// ParseWatchReply decodes a WatchReply.
func ParseWatchReply(raw string) (m WatchReply, err error) {
	d := decoder{rest: raw}
	d.head(kindWatchReply)
	m.Manifest = d.string()
	m.SyncNow = d.bool()
	return m, d.end()
}

// Append encodes the message.
func (m *Parts) Append(b []byte) []byte {
	e := encoder(b)
	e.head(kindParts)
	e.uint32(uint32(len(m.Digests)))
	for i := range m.Digests {
		e.array(m.Digests[i][:])
	}
	return e
}

// ParseParts decodes a Parts.
func ParseParts(raw string) (m Parts, err error) {
	d := decoder{rest: raw}
	d.head(kindParts)
	m.Digests = make([][32]byte, d.count(MaxPartsAsk, 32))
	for i := range m.Digests {
		d.array(m.Digests[i][:])
	}
	return m, d.end()
}

// Append encodes the message.
func (m *PartsReply) Append(b []byte) []byte {
	e := encoder(b)
	e.head(kindPartsReply)
	e.uint32(uint32(len(m.Parts)))
	for _, p := range m.Parts {
		e.string(p)
	}
	return e
}

// ParsePartsReply decodes a PartsReply; the parts are views of raw.
func ParsePartsReply(raw string) (m PartsReply, err error) {
	d := decoder{rest: raw}
	d.head(kindPartsReply)
	m.Parts = make([]string, d.count(MaxPartsAsk, 4))
	for i := range m.Parts {
		m.Parts[i] = d.string()
	}
	return m, d.end()
}

// Append encodes the message.
func (m *Sync) Append(b []byte) []byte {
	e := encoder(b)
	e.head(kindSync)
	e.proxy(&m.Proxy)
	e.uint64(m.Sequence)
	e.uint64(m.PolicyVersion)
	e.uint64(m.PolicyAge)
	e.uint64(m.Dropped)
	e.uint32(uint32(len(m.Usage)))
	for i := range m.Usage {
		m.Usage[i].append(&e)
	}
	e.uint32(uint32(len(m.Requests)))
	for i := range m.Requests {
		m.Requests[i].append(&e)
	}
	e.uint32(uint32(len(m.Reports)))
	for i := range m.Reports {
		e.report(&m.Reports[i])
	}
	return e
}

// ParseSync decodes a Sync; its strings are views of raw.
func ParseSync(raw string) (m Sync, err error) {
	d := decoder{rest: raw}
	d.head(kindSync)
	m.Proxy = d.proxy()
	m.Sequence = d.uint64()
	m.PolicyVersion = d.uint64()
	m.PolicyAge = d.uint64()
	m.Dropped = d.uint64()
	m.Usage = make([]Usage, d.count(MaxUsage, usageSize))
	for i := range m.Usage {
		m.Usage[i].read(&d)
	}
	m.Requests = make([]Request, d.count(MaxRequests, requestSize))
	for i := range m.Requests {
		m.Requests[i].read(&d)
	}
	m.Reports = make([]Report, d.count(MaxReports, reportSize))
	for i := range m.Reports {
		d.report(&m.Reports[i])
	}
	return m, d.end()
}

// The fewest bytes that an item takes.
const (
	usageSize   = 8 + 6*4 + 8
	requestSize = 8 + 11*4 + 2 + 8
	reportSize  = 4 + 1 + 7*8
	grantSize   = 4 + 8 + 7*8 + 2
)

func (u *Usage) strings() [6]*string {
	return [...]*string{&u.Partner, &u.Application, &u.Product, &u.Environment, &u.Operation, &u.Outcome}
}

func (u *Usage) append(e *encoder) {
	e.int64(u.Minute)
	for _, s := range u.strings() {
		e.string(*s)
	}
	e.uint64(u.Count)
}

func (u *Usage) read(d *decoder) {
	u.Minute = d.int64()
	for _, s := range u.strings() {
		*s = d.string()
	}
	u.Count = d.uint64()
}

func (r *Request) strings() [11]*string {
	return [...]*string{&r.RequestID, &r.Partner, &r.Application, &r.Product, &r.Environment, &r.Operation, &r.Outcome,
		&r.Credential, &r.Method, &r.Path, &r.Limit}
}

func (r *Request) append(e *encoder) {
	e.int64(r.Time)
	for _, s := range r.strings() {
		e.string(*s)
	}
	e.uint16(r.Status)
	e.uint64(r.PolicyVersion)
}

func (r *Request) read(d *decoder) {
	r.Time = d.int64()
	for _, s := range r.strings() {
		*s = d.string()
	}
	r.Status = d.uint16()
	r.PolicyVersion = d.uint64()
}

func (e *encoder) report(r *Report) {
	e.string(r.ID)
	e.bool(r.Wanted)
	e.uint64(r.Epoch)
	for _, v := range [...]int64{r.Given, r.WindowEnd, r.Tokens, r.InFlight} {
		e.int64(v)
	}
	e.uint64(r.Demand)
	e.uint64(r.Spent)
}

func (d *decoder) report(r *Report) {
	r.ID = d.string()
	r.Wanted = d.bool()
	r.Epoch = d.uint64()
	for _, v := range [...]*int64{&r.Given, &r.WindowEnd, &r.Tokens, &r.InFlight} {
		*v = d.int64()
	}
	r.Demand = d.uint64()
	r.Spent = d.uint64()
}

// Append encodes the message.
func (m *SyncReply) Append(b []byte) []byte {
	e := encoder(b)
	e.head(kindSyncReply)
	e.uint64(m.Sequence)
	e.uint32(uint32(len(m.Grants)))
	for i := range m.Grants {
		e.grant(&m.Grants[i])
	}
	e.uint32(uint32(len(m.Forget)))
	for _, id := range m.Forget {
		e.string(id)
	}
	return e
}

// ParseSyncReply decodes a SyncReply; its strings are views of raw.
func ParseSyncReply(raw string) (m SyncReply, err error) {
	d := decoder{rest: raw}
	d.head(kindSyncReply)
	m.Sequence = d.uint64()
	m.Grants = make([]Grant, d.count(MaxReports, grantSize))
	for i := range m.Grants {
		d.grant(&m.Grants[i])
	}
	m.Forget = make([]string, d.count(MaxReports, 4))
	for i := range m.Forget {
		m.Forget[i] = d.string()
	}
	return m, d.end()
}

func (e *encoder) grant(g *Grant) {
	e.string(g.ID)
	e.uint64(g.Epoch)
	for _, v := range [...]int64{g.Rate, g.Burst, g.Level, g.Slots, g.Tokens, g.WindowEnd, g.Left} {
		e.int64(v)
	}
	e.bool(g.Recall)
	e.bool(g.Spent)
}

func (d *decoder) grant(g *Grant) {
	g.ID = d.string()
	g.Epoch = d.uint64()
	for _, v := range [...]*int64{&g.Rate, &g.Burst, &g.Level, &g.Slots, &g.Tokens, &g.WindowEnd, &g.Left} {
		*v = d.int64()
	}
	g.Recall = d.bool()
	g.Spent = d.bool()
}
