package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// answerTimeout is how long a gateway may take until it answers: seconds, where the machine is not busy.
const answerTimeout = 3 * time.Minute

// tellEvery is how often it is told what is waited for.
const tellEvery = 15 * time.Second

// awaitAnswers returns once the gateway answers as it will from then on: it
// has the policy version given or a newer one, and admits the demo's keys.
func (d *demo) awaitAnswers(ctx context.Context, version int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout,
		fmt.Errorf("the gateway does not admit calls after %s; %s tells why", answerTimeout, d.logFile.Name()))
	defer cancel()
	what := fmt.Sprintf("the gateway to have policy version %d", version)
	if err := d.await(ctx, what, "", d.scene.flooded, func(a answer) bool { return a.PolicyVersion >= version }); err != nil {
		return err
	}
	d.progress("Waiting until the gateway admits calls …")
	if err := d.awaitLeases(ctx); err != nil {
		return err
	}
	// By its leases the manager knows of the gateway, whose other workers it then waits for.
	workers, end := context.WithTimeout(ctx, workersTimeout)
	defer end()
	if _, err := d.service().AwaitAcknowledged(workers, version); err != nil && workers.Err() == nil {
		return err
	}
	if !d.ranBefore(ctx) {
		return nil
	}
	select { // what the gateway of the run before held may be spent
	case <-time.After(burstsFill):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// workersTimeout is how long all workers may take. It is more than the 15 s after which another proxy of the same store, that is gone,
// is waited for no more.
const workersTimeout = 20 * time.Second

// burstsFill is burst by rate, the same in all plans of the estates.
const burstsFill = 2 * time.Second

// awaitLeases returns once the gateway admits the demo's keys to what the page shows.
func (d *demo) awaitLeases(ctx context.Context) error {
	for _, at := range d.scene.served {
		key, ok := d.key(at.variable)
		if !ok {
			continue // somebody has removed the application
		}
		what := "the gateway to admit " + at.variable + " to " + at.path
		if err := d.await(ctx, what, key, at, func(a answer) bool { return a.Status == http.StatusOK }); err != nil {
			return err
		}
	}
	return nil
}

// key is that of a variable, in this run.
func (d *demo) key(variable string) (key string, ok bool) {
	for _, k := range d.facts.Keys {
		if k.Variable == variable {
			return k.Key, true
		}
	}
	return "", false
}

// ranBefore tells whether there was a run lately.
func (d *demo) ranBefore(ctx context.Context) bool {
	proxies, err := d.service().Proxies(ctx)
	return err == nil && len(proxies) > 1
}

// await makes a call again and again until the answer is good, since a proxy
// tells nobody when it is so far. What it waits for is told now and then, and by
// the error where ctx ends.
func (d *demo) await(ctx context.Context, what, key string, at place, good func(answer) bool) error {
	again, tell := time.NewTicker(50*time.Millisecond), time.NewTicker(tellEvery)
	defer again.Stop()
	defer tell.Stop()
	for last := (answer{}); ; {
		if a := d.ask(ctx, key, at); good(a) {
			return nil
		} else if ctx.Err() == nil { // else it was cut off
			last = a
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the demo waited for %s, and the last answer was %s", context.Cause(ctx), what, last)
		case <-tell.C:
			d.progress("Still waiting for " + what + "; the last answer was " + last.String() + " …")
		case <-again.C:
		}
	}
}

// answer is what await needs to know of the gateway's answer; zero where there was none.
type answer struct {
	Status        int    `json:"-"`
	Code          string `json:"code"`           // of a refusal
	PolicyVersion int64  `json:"policy_version"` // refusals carry it
}

func (a answer) String() string {
	switch {
	case a.Status == 0:
		return "none"
	case a.Code == "":
		return strconv.Itoa(a.Status)
	}
	return fmt.Sprintf("%d %s by policy version %d", a.Status, a.Code, a.PolicyVersion)
}

// ask makes a call with a key, without one for "".
func (d *demo) ask(ctx context.Context, key string, at place) (a answer) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.facts.GatewayURL+at.path, nil)
	if err != nil {
		return answer{}
	}
	request.Host = at.host
	if key != "" {
		request.Header.Set("X-Api-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}
	}
	defer func() { _ = response.Body.Close() }()  // only read
	_ = json.NewDecoder(response.Body).Decode(&a) // an answer without it has no version
	a.Status = response.StatusCode
	return a
}
