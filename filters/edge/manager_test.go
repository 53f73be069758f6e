package edge_test

import (
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
)

// managerStub answers the three calls of proxies from a policy that the test
// publishes. Tests in which leases matter use the real manager.
type managerStub struct {
	mu       sync.Mutex
	manifest string
	parts    map[[32]byte]string
	changed  chan struct{}
	syncs    []wire.Sync
	calls    map[string]int
	bodies   map[*http.Request]string
	answer   func(w http.ResponseWriter, r *http.Request) (done bool) // in place of an answer
	grants   func(m *wire.Sync) []wire.Grant
}

func newStub(source *policy.Source) *managerStub {
	m := &managerStub{changed: make(chan struct{}), calls: map[string]int{}, bodies: map[*http.Request]string{}, parts: map[[32]byte]string{}}
	if source != nil {
		m.publish(source)
	}
	return m
}

// publish makes a policy the current one.
func (m *managerStub) publish(source *policy.Source) {
	built, err := policy.Build(source, nil)
	if err != nil {
		panic(err)
	}
	m.serve(built.Manifest, built.Parts)
}

// serve makes whatever bytes the current policy.
func (m *managerStub) serve(manifest string, parts map[[32]byte]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.manifest = manifest
	for digest, part := range parts {
		m.parts[digest] = part
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *managerStub) intercept(answer func(w http.ResponseWriter, r *http.Request) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = answer
}

// body is what an intercepted request brought.
func (m *managerStub) body(r *http.Request) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bodies[r]
}

func (m *managerStub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	m.calls[r.URL.Path]++
	answer := m.answer
	m.bodies[r] = string(body)
	m.mu.Unlock()
	defer m.forget(r)
	if answer != nil && answer(w, r) {
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+edgeToken || r.Host != "partnergate.internal" {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	var reply []byte
	switch r.URL.Path {
	case wire.WatchPath:
		reply = m.watch(r, string(body))
	case wire.PartsPath:
		reply = m.sendParts(string(body))
	case wire.SyncPath:
		reply = m.sync(string(body))
	}
	_, _ = w.Write(reply)
}

func (m *managerStub) forget(r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.bodies, r)
}

func (m *managerStub) watch(r *http.Request, body string) []byte {
	ask, err := wire.ParseWatch(body)
	if err != nil {
		panic(err)
	}
	for {
		m.mu.Lock()
		manifest, changed := m.manifest, m.changed
		m.mu.Unlock()
		if manifest != "" && policy.Digest(manifest) != ask.Digest {
			return (&wire.WatchReply{Manifest: manifest}).Append(nil)
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return (&wire.WatchReply{}).Append(nil)
		case <-time.After(25 * time.Second):
			return (&wire.WatchReply{}).Append(nil)
		}
	}
}

func (m *managerStub) sendParts(body string) []byte {
	ask, err := wire.ParseParts(body)
	if err != nil {
		panic(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var reply wire.PartsReply
	for _, digest := range ask.Digests {
		reply.Parts = append(reply.Parts, m.parts[digest])
	}
	return reply.Append(nil)
}

func (m *managerStub) sync(body string) []byte {
	batch, err := wire.ParseSync(body)
	if err != nil {
		panic(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.syncs = append(m.syncs, batch)
	reply := wire.SyncReply{Sequence: batch.Sequence}
	if m.grants != nil {
		reply.Grants = m.grants(&batch)
	}
	return reply.Append(nil)
}

// batches are all that came, those that came again included.
func (m *managerStub) batches() []wire.Sync {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.syncs)
}

// usage adds up what was counted, by partner and outcome.
func (m *managerStub) usage() map[string]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	type number struct {
		proxy    wire.ProxyID
		sequence uint64
	}
	sums := map[string]uint64{}
	seen := map[number]bool{}
	for _, batch := range m.syncs {
		n := number{batch.Proxy, batch.Sequence}
		if seen[n] {
			continue
		}
		seen[n] = true
		for _, u := range batch.Usage {
			sums[u.Partner+" "+u.Outcome] += u.Count
		}
	}
	return sums
}

// logged lists the requests that were logged.
func (m *managerStub) logged() (requests []wire.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, batch := range m.syncs {
		requests = append(requests, batch.Requests...)
	}
	return requests
}

func isWatch(r *http.Request) bool { return r.URL.Path == wire.WatchPath }
