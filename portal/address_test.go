package portal

import "testing"

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ gateway, host, method, path, url, curl string }{
		{"http://127.0.0.1:10000", "api.localhost", "GET", "/v1/pay", "http://api.localhost:10000/v1/pay",
			"curl \"http://api.localhost:10000/v1/pay\" \\\n  -H \"x-api-key: $PARTNERGATE_KEY\""},
		{"http://127.0.0.1:10000", "api.example.test", "GET", "/v1/pay", "http://127.0.0.1:10000/v1/pay",
			"curl \"http://127.0.0.1:10000/v1/pay\" \\\n  -H \"x-api-key: $PARTNERGATE_KEY\" \\\n  -H \"host: api.example.test\""},
		{"https://gw.example.test", "api.example.test", "DELETE", "/v1/{pay-id}/x", "https://api.example.test/v1/{pay-id}/x",
			"curl -X DELETE \"https://api.example.test/v1/$PAY_ID/x\" \\\n  -H \"x-api-key: $PARTNERGATE_KEY\""},
		{"", "api.example.test", "POST", "/v1/`$(id)`\"", "https://api.example.test/v1/`$(id)`\"",
			"curl -X POST \"https://api.example.test/v1/\\`\\$(id)\\`\\\"\" \\\n  -H \"x-api-key: $PARTNERGATE_KEY\" \\\n  -H \"content-type: application/json\" -d '{}'"},
	} {
		where := addressOf(c.gateway, c.host)
		if got := where.url(c.path); got != c.url {
			t.Errorf("the URL is %s, not %s", got, c.url)
		}
		if got := where.curl(c.method, c.path); got != c.curl {
			t.Errorf("the line is\n%s\nnot\n%s", got, c.curl)
		}
	}
}
