package estate_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/documents"
	"github.com/partnergate/partnergate/manager/estate"
)

// small has a little of everything, and partners that get unequal shares.
var small = estate.Size{Partners: 30, Products: 7, Operations: 13, Subscriptions: 100, Keys: 130, Seed: 5}

func generate(t testing.TB, size estate.Size) *estate.Estate {
	t.Helper()
	e, err := estate.Generate(size)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAnEstateIsValidAndAlwaysTheSame(t *testing.T) {
	e := generate(t, small)
	if !reflect.DeepEqual(e, generate(t, small)) {
		t.Error("the same size gives two estates")
	}
	if err := manager.Validate(e.Resources); err != nil {
		t.Error(err)
	}
	counts := map[manager.Kind]int{}
	for _, r := range e.Resources {
		counts[r.Ref().Kind]++
	}
	if counts[manager.KindPartner] != 30 || counts[manager.KindProduct] != 7 || counts[manager.KindSubscription] != 100 || len(e.Keys) != 130 {
		t.Errorf("counts are %v, and %d keys", counts, len(e.Keys))
	}
	other := small
	other.Seed++
	if generate(t, other).Keys[0].Key == e.Keys[0].Key {
		t.Error("another seed gives the same keys")
	}
}

func TestKeysAreWellFormedAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range generate(t, small).Keys {
		if environment, _, ok := policy.ParseKey(k.Key); !ok || environment != k.Environment {
			t.Errorf("%s is no key of %s", k.Key, k.Environment)
		}
		if seen[k.Key] || seen[k.ID] {
			t.Errorf("%s comes twice", k.ID)
		}
		seen[k.Key], seen[k.ID] = true, true
	}
}

func TestWrittenIsWhatWasMade(t *testing.T) {
	e, folder := generate(t, small), t.TempDir()
	if err := e.Write(folder); err != nil {
		t.Fatal(err)
	}
	read, err := documents.ReadPath(filepath.Join(folder, "policy"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(read) != len(e.Resources) {
		t.Errorf("%d resources were written, want %d", len(read), len(e.Resources))
	}
	file, err := os.Open(filepath.Join(folder, estate.ImportFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	digest := policy.KeyDigest(e.Keys[7].Key)
	if last := rows[8][4]; last != fmt.Sprintf("%x", digest) {
		t.Errorf("the key's digest is %s, want %x", last, digest)
	}
}

func TestSizesThatCannotBeMade(t *testing.T) {
	for _, size := range []estate.Size{{}, {Partners: 1, Products: 1, Operations: 1, Subscriptions: 3}, {Partners: 1, Products: 1, Operations: 1, Keys: -1}} {
		if _, err := estate.Generate(size); err == nil {
			t.Errorf("%+v was made", size)
		}
	}
}

// TestAnEstateServes is the measurements' way in little: an estate in a manager, and every call that its holders may make.
func TestAnEstateServes(t *testing.T) {
	r, err := fill(generate(t, small), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}()
	calls := callsOf(r.estate, 60)
	for i := range calls {
		c := &calls[i]
		q := policy.Request{Method: c.method, Host: c.host, Path: c.path, Key: c.key, Keys: 1, Now: time.Now().UnixMilli()}
		if d := r.Published().Snapshot.Decide(&q); d.Code != policy.Undecided {
			t.Errorf("%s%s: %s", c.host, c.path, d.Code)
		}
	}
	p := fetching{client: http.DefaultClient, url: r.http.URL, id: wire.ProxyID{Node: "one", Nonce: [16]byte{1}}}
	if err := p.follow(nil); err != nil {
		t.Error(err)
	}
	if n := r.get(t, http.DefaultClient, "/api/v1/partners?q="+partnerOf(r.estate)); n == 0 {
		t.Error("the partner is not found")
	}
}
