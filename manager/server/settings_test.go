package server_test

import (
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager/server"
)

const (
	goodAdmin = "4f1d2c3b5a69788796a5b4c3d2e1f00f"
	goodEdge  = "00f1e2d3c4b5a69788796a5b3c2d1f4e"
)

func good() server.Settings {
	return server.Settings{Listen: "127.0.0.1:0", Store: "sqlite:///tmp/x.db", AdminToken: goodAdmin, EdgeToken: goodEdge}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*server.Settings)
		want   []string // what the error says, one of each problem; none: it is accepted
	}{
		{"good", func(*server.Settings) {}, nil},
		{"several edge tokens", func(s *server.Settings) { s.EdgeToken = goodEdge + ", " + strings.Repeat("ab0-9XYZ", 4) }, nil},
		{"all addresses", func(s *server.Settings) { s.Listen = ":8080" }, nil},
		{"mongodb", func(s *server.Settings) { s.Store = "mongodb://127.0.0.1/partnergate?replicaSet=rs0" }, nil},
		{"three of mongodb", func(s *server.Settings) { s.Store = "mongodb://u:p@a:1,b:2,c:3/x?replicaSet=rs0" }, nil},
		{"misspelt store", func(s *server.Settings) {
			s.Store = "mongo://u:hunter22@a:1,b:2/x?tlsCertificateKeyFilePassword=hunter22"
		}, []string{"mongo://…@a:1,b:2/x"}},
		{"public URL", func(s *server.Settings) { s.PublicURL = "https://partners.example.com/" }, nil},
		{"log format", func(s *server.Settings) { s.LogFormat = "text" }, nil},
		{"unknown log format", func(s *server.Settings) { s.LogFormat = "logfmt" }, []string{`PARTNERGATE_LOG_FORMAT: is "logfmt"; it must be json or text`}},
		{"no admin token", func(s *server.Settings) { s.AdminToken = "" }, []string{"PARTNERGATE_ADMIN_TOKEN: is missing"}},
		{"no edge token", func(s *server.Settings) { s.EdgeToken = "" }, []string{"PARTNERGATE_EDGE_TOKEN: is missing"}},
		{"short", func(s *server.Settings) { s.AdminToken = goodAdmin[:31] }, []string{"PARTNERGATE_ADMIN_TOKEN: has 31 characters"}},
		{"one character repeated", func(s *server.Settings) { s.AdminToken = strings.Repeat("x", 40) }, []string{"PARTNERGATE_ADMIN_TOKEN: is weak"}},
		{"one word repeated", func(s *server.Settings) { s.EdgeToken = strings.Repeat("secret", 8) }, []string{"PARTNERGATE_EDGE_TOKEN: is weak"}},
		{"line end", func(s *server.Settings) { s.AdminToken = goodAdmin + "\n" }, []string{"PARTNERGATE_ADMIN_TOKEN: has a space"}},
		{"the same twice", func(s *server.Settings) { s.EdgeToken = goodAdmin }, []string{"PARTNERGATE_EDGE_TOKEN: is the same as PARTNERGATE_ADMIN_TOKEN"}},
		{"second edge token weak", func(s *server.Settings) { s.EdgeToken = goodEdge + ",short" }, []string{"PARTNERGATE_EDGE_TOKEN: token 2 of the list has 5 characters"}},
		{"comma at the end", func(s *server.Settings) { s.EdgeToken = goodEdge + "," }, []string{"PARTNERGATE_EDGE_TOKEN: token 2 of the list is missing"}},
		{"listen without port", func(s *server.Settings) { s.Listen = "localhost" }, []string{"PARTNERGATE_LISTEN: "}},
		{"listen on a large port", func(s *server.Settings) { s.Listen = ":99999" }, []string{"PARTNERGATE_LISTEN: "}},
		{"metrics on their own", func(s *server.Settings) { s.MetricsListen = "127.0.0.1:9464" }, nil},
		{"metrics without port", func(s *server.Settings) { s.MetricsListen = "localhost" }, []string{"PARTNERGATE_METRICS_LISTEN: is "}},
		{"metrics on the same address", func(s *server.Settings) { s.Listen, s.MetricsListen = ":8080", ":8080" }, []string{"PARTNERGATE_METRICS_LISTEN: is PARTNERGATE_LISTEN"}},
		{"relative store", func(s *server.Settings) { s.Store = "sqlite://data/x.db" }, []string{"PARTNERGATE_STORE: ", "three slashes"}},
		{"unknown store", func(s *server.Settings) { s.Store = "postgres://u:hunter22@db/x" }, []string{"PARTNERGATE_STORE: "}},
		{"no store", func(s *server.Settings) { s.Store = "" }, []string{"PARTNERGATE_STORE: is missing"}},
		{"public URL with path", func(s *server.Settings) { s.PublicURL = "https://example.com/portal" }, []string{"PARTNERGATE_PUBLIC_URL: "}},
		{"public URL without scheme", func(s *server.Settings) { s.PublicURL = "example.com" }, []string{"PARTNERGATE_PUBLIC_URL: "}},
		{"modules that are not there", func(s *server.Settings) { s.ModulesDir = "/nonexistent" }, []string{"PARTNERGATE_MODULES: "}},
		{"trusted proxies", func(s *server.Settings) { s.TrustedProxies = "10.0.0.0/8, 192.0.2.1, 2001:db8::/32" }, nil},
		{"a proxy by name", func(s *server.Settings) { s.TrustedProxies = "10.0.0.0/8,lb.example.com" }, []string{`PARTNERGATE_TRUSTED_PROXIES: has "lb.example.com"`}},
		{"audit retention", func(s *server.Settings) { s.AuditRetention = "30d" }, nil},
		{"audit for ever", func(s *server.Settings) { s.AuditRetention = "0" }, nil},
		{"audit retention without unit", func(s *server.Settings) { s.AuditRetention = "400" }, []string{`PARTNERGATE_AUDIT_RETENTION: is "400"`}},
		{"audit retention too short", func(s *server.Settings) { s.AuditRetention = "23h" }, []string{"PARTNERGATE_AUDIT_RETENTION: "}},
		{"audit retention in the future", func(s *server.Settings) { s.AuditRetention = "-30d" }, []string{"PARTNERGATE_AUDIT_RETENTION: "}},
		{"log level", func(s *server.Settings) { s.LogLevel = "loud" }, []string{"PARTNERGATE_LOG_LEVEL: "}},
		{"all at once", func(s *server.Settings) { *s = server.Settings{Listen: "x", LogLevel: "loud"} }, []string{
			"PARTNERGATE_LISTEN: ", "PARTNERGATE_STORE: ", "PARTNERGATE_ADMIN_TOKEN: ", "PARTNERGATE_EDGE_TOKEN: ", "PARTNERGATE_LOG_LEVEL: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good()
			c.change(&s)
			err := s.Check()
			if (err == nil) != (c.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q:\n%v", want, err)
				}
			}
			if err != nil && (strings.Contains(err.Error(), goodAdmin) || strings.Contains(err.Error(), "hunter22")) {
				t.Errorf("the error shows a secret:\n%v", err)
			}
		})
	}
}

func TestDefaultStore(t *testing.T) {
	for _, c := range []struct {
		environment map[string]string
		want        string
	}{
		{map[string]string{"XDG_STATE_HOME": "/s", "HOME": "/h"}, "sqlite:///s/partnergate/partnergate.db"},
		{map[string]string{"XDG_STATE_HOME": "relative", "HOME": "/h"}, "sqlite:///h/.local/state/partnergate/partnergate.db"},
		{map[string]string{}, ""},
	} {
		if got := server.DefaultStore(func(name string) string { return c.environment[name] }); got != c.want {
			t.Errorf("%v: %q, want %q", c.environment, got, c.want)
		}
	}
}
