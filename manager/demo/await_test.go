package demo

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAwaitSaysWhatItWaitedFor: the end of the wait tells what came last.
func TestAwaitSaysWhatItWaitedFor(t *testing.T) {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"code": "credential_unknown", "policy_version": 7}`)) // the test sees what is missing
	}))
	defer gateway.Close()
	d := &demo{facts: Facts{GatewayURL: gateway.URL}}
	late := errors.New("it is late")
	ctx, end := context.WithCancelCause(t.Context())
	defer end(nil)
	tries := 0
	err := d.await(ctx, "the moon", "a-key", place{host: "x.localhost", path: "/"}, func(a answer) bool {
		if tries++; tries == 3 {
			end(late)
		}
		return a.Status == http.StatusOK
	})
	if !errors.Is(err, late) || !strings.Contains(err.Error(), "waited for the moon, and the last answer was 401 credential_unknown by policy version 7") {
		t.Errorf("the error is %v", err)
	}
	for want, a := range map[string]answer{"none": {}, "200": {Status: 200}} {
		if a.String() != want {
			t.Errorf("%+v is told as %q", a, a)
		}
	}
}
