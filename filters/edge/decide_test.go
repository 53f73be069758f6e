package edge_test

import (
	"testing"
)

func TestFirst(t *testing.T) {
	for name, filters := range ways(configuration) {
		t.Run(name, func(t *testing.T) {
			p := start(t, proxyWith(2, newStub(estate(1)), filters...))
			ready(t, p, 1)
			for range 4 {
				got := do(t, p, request("GET", sandboxHost, "/v1/pay", "x-api-key", acmeKey, "x-partner-id", "globex"))
				if got.StatusCode != 200 {
					t.Error(got.StatusCode, got.body)
				}
				t.Log(got.Header)
			}
			got := do(t, p, request("GET", sandboxHost, "/admin", "x-api-key", acmeKey))
			t.Log(got.StatusCode, got.body)
			t.Log(p.FilterState(got.Response))
		})
	}
}
