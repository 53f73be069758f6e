package manager_test

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
)

// watching starts a watch; the answer comes through the channel.
func (p *process) watching(ctx context.Context, held [32]byte) <-chan wire.WatchReply {
	answer := make(chan wire.WatchReply, 1)
	go func() { answer <- p.watch(ctx, held) }()
	return answer
}

func TestWatchAnswersAtOnceWhatIsNew(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	p := newProcess(t, s, c, "one")
	r := p.watch(context.Background(), [32]byte{})
	if r.Manifest != s.Published().Manifest || r.SyncNow {
		t.Fatalf("answer %+v", r)
	}
	answer := p.watching(context.Background(), policy.Digest(r.Manifest))
	held := s.Published().Snapshot.Manifest()
	leased(t, s)
	next := <-answer
	m, err := policy.ReadManifest(next.Manifest, held)
	if err != nil || m.Raw() != s.Published().Manifest {
		t.Fatalf("after a change: %+v, %v", next, err)
	}
	answer = p.watching(context.Background(), s.Published().Digest)
	if _, err := s.CreateCredential(context.Background(), admin, "acme", "checkout", "sandbox", 0); err != nil {
		t.Fatal(err)
	}
	if r := <-answer; len(r.Manifest) >= len(s.Published().Manifest) {
		t.Error("one key is new, and the proxy that knows the rest got the whole manifest")
	}
}

func TestPartsOfTheManifestLoad(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	leased(t, s)
	p := newProcess(t, s, c, "one")
	m, err := policy.ParseManifest(p.watch(context.Background(), [32]byte{}).Manifest)
	if err != nil {
		t.Fatal(err)
	}
	loader := policy.NewLoader(m, nil)
	ask := wire.Parts{Digests: [][32]byte{{1}}} // one that there is not
	entries := append([]policy.ManifestEntry(nil), loader.Missing()...)
	for _, e := range entries {
		ask.Digests = append(ask.Digests, e.Digest)
	}
	body, err := s.Parts(context.Background(), ask.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := wire.ParsePartsReply(string(body))
	if err != nil || len(reply.Parts) != len(ask.Digests) || reply.Parts[0] != "" {
		t.Fatalf("%d parts, %v", len(reply.Parts), err)
	}
	for i, e := range entries {
		if err := loader.Add(e.PartID, reply.Parts[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if snapshot, err := loader.Snapshot(); err != nil || snapshot.Version() != uint64(s.PolicyVersion()) {
		t.Fatal(err)
	}
}

func TestWatchOfAnUnknownSchema(t *testing.T) {
	s := newService(t, newClock())
	_, err := watch(context.Background(), s, wire.Watch{Proxy: wire.ProxyID{Node: "n", Nonce: [16]byte{1}}, Schema: policy.SchemaVersion + 2})
	wantCode(t, err, manager.CodeVersion, manager.ReasonSchema)
}

// Nothing is new: the answer comes within 25 seconds, but not at once, and all
// that ends a watch ends it at once. The bubble's clock tells.
func TestWatchWithoutNews(t *testing.T) {
	store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
	synctest.Test(t, func(t *testing.T) {
		s, err := manager.NewService(t.Context(), manager.Config{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		p := newProcess(t, s, nil, "one")
		ends := map[string]func(cancel context.CancelFunc){
			"time":          func(context.CancelFunc) {},
			"the caller":    func(cancel context.CancelFunc) { cancel() },
			"another watch": func(context.CancelFunc) { <-p.watching(context.Background(), current(s)) },
			"Close":         func(context.CancelFunc) { s.Close() },
		}
		for _, name := range []string{"time", "the caller", "another watch", "Close"} {
			ctx, cancel := context.WithCancel(context.Background())
			began := time.Now()
			answer := p.watching(ctx, current(s))
			synctest.Wait()
			go ends[name](cancel)
			if r := <-answer; r.Manifest != "" || r.SyncNow {
				t.Errorf("%s: answer %+v", name, r)
			}
			took := time.Since(began)
			if long := took >= 20*time.Second && took <= 25*time.Second; long != (name == "time") || !long && took != 0 {
				t.Errorf("%s: answered after %v", name, took)
			}
			cancel()
		}
		synctest.Wait()
	})
}

// A proxy that must hear from the manager more often says so.
func TestWatchThatIsToBeAnsweredSoon(t *testing.T) {
	store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
	synctest.Test(t, func(t *testing.T) {
		s, err := manager.NewService(t.Context(), manager.Config{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		m := wire.Watch{Proxy: newProcess(t, s, nil, "one").id, Schema: policy.SchemaVersion, Digest: current(s), Wait: 1_700}
		began := time.Now()
		if r, err := watch(context.Background(), s, m); err != nil || r.Manifest != "" || time.Since(began) != 1_700*time.Millisecond {
			t.Errorf("answered after %v: %+v, %v", time.Since(began), r, err)
		}
		s.Close()
		synctest.Wait()
	})
}

func TestAwaitAcknowledged(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if behind, err := s.AwaitAcknowledged(ended, 5); err != nil || len(behind) != 0 {
		t.Fatalf("without proxies: %v, %v", behind, err)
	}
	a, b := newProcess(t, s, c, "a"), newProcess(t, s, c, "b")
	a.version, b.version = 5, 4
	a.sync()
	b.sync()
	behind, err := s.AwaitAcknowledged(ended, 5)
	if err == nil || len(behind) != 1 || behind[0].ID != b.name() || behind[0].PolicyVersion != 4 || !behind[0].Live {
		t.Fatalf("behind %+v, %v", behind, err)
	}
	done := make(chan error)
	go func() {
		_, err := s.AwaitAcknowledged(context.Background(), 5)
		done <- err
	}()
	b.version = 5
	b.sync()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c.advance(15 * time.Second)
	a.sync()
	views, err := s.Proxies(context.Background())
	if err != nil || len(views) != 2 || !views[0].Live || views[1].Live || views[1].LastSync.IsZero() || views[0].Node != "a" {
		t.Fatalf("proxies %+v, %v", views, err)
	}
	if behind, err := s.AwaitAcknowledged(ended, 6); err == nil || len(behind) != 1 {
		t.Fatalf("the one that is gone is waited for: %+v, %v", behind, err)
	}
}

func TestPolicyAge(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	p := newProcess(t, s, c, "one")
	m := wire.Sync{Proxy: p.id, Sequence: 1, PolicyVersion: 1, PolicyAge: 9000}
	p.send(m.Append(nil))
	age := func() time.Duration {
		views, err := s.Proxies(context.Background())
		if err != nil || len(views) != 1 {
			t.Fatal(views, err)
		}
		return views[0].PolicyAge
	}
	c.advance(time.Second)
	if got := age(); got != 10*time.Second {
		t.Errorf("age %v, want 10s", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.watch(ctx, current(s)) // confirms it
	if got := age(); got != 0 {
		t.Errorf("age after a watch %v", got)
	}
}
