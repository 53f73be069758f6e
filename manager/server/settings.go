// Package server runs a manager: store, service and HTTP, from its settings to
// its graceful end. What store and portal are is the caller's choice.
package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/telemetry"
)

// Variables of the environment that hold the settings.
const (
	ListenVariable         = "PARTNERGATE_LISTEN"
	MetricsListenVariable  = "PARTNERGATE_METRICS_LISTEN"
	StoreVariable          = "PARTNERGATE_STORE"
	AdminTokenVariable     = "PARTNERGATE_ADMIN_TOKEN"
	EdgeTokenVariable      = "PARTNERGATE_EDGE_TOKEN"
	PublicURLVariable      = "PARTNERGATE_PUBLIC_URL"
	ModulesVariable        = "PARTNERGATE_MODULES"
	LogLevelVariable       = "PARTNERGATE_LOG_LEVEL"
	LogFormatVariable      = "PARTNERGATE_LOG_FORMAT"
	TrustedProxiesVariable = "PARTNERGATE_TRUSTED_PROXIES"
	AuditRetentionVariable = "PARTNERGATE_AUDIT_RETENTION"
)

// DefaultListen is where the manager listens when nothing is said.
const DefaultListen = "127.0.0.1:8080"

// DefaultAuditRetention is for how long the audit log is kept when nothing is said.
const DefaultAuditRetention = "400d"

// minToken is how many characters a token has at least.
const minToken = 32

// Settings are what a manager needs to know before it starts. All are texts as
// the operator gave them, so that Check can name every wrong one at once.
type Settings struct {
	Listen         string // host:port; port 0 is any free one
	MetricsListen  string // host:port for /metrics alone; empty: with the rest, on Listen
	Store          string // sqlite:///path/to/file, or mongodb://…
	AdminToken     string
	EdgeToken      string // several separated by commas are valid at once
	PublicURL      string // empty: http:// and the address listened on
	ModulesDir     string // holds the wasm modules to serve; empty: none
	LogLevel       string // debug, info, warn or error; empty: info
	LogFormat      string // json or text; empty: text on a terminal, else json
	Traces         bool   // send traces where the OTEL_… variables say
	TrustedProxies string // addresses and networks separated by commas, whose X-Forwarded-For is believed; empty: none
	AuditRetention string // how long audit entries are kept, such as 400d, 0 for ever; empty: DefaultAuditRetention
}

// Check returns every problem of the settings, each with its variable, rule and remedy.
func (s Settings) Check() error {
	var problems []string
	add := func(variable, problem string) {
		if problem != "" {
			problems = append(problems, variable+": "+problem)
		}
	}
	add(ListenVariable, checkListen(s.Listen))
	add(MetricsListenVariable, s.checkMetricsListen())
	add(StoreVariable, checkStore(s.Store))
	add(AdminTokenVariable, checkToken(s.AdminToken))
	if s.EdgeToken == "" {
		add(EdgeTokenVariable, checkToken(""))
	}
	for i, token := range s.EdgeTokens() {
		problem := checkToken(token)
		if problem == "" && token == s.AdminToken {
			problem = "is the same as " + AdminTokenVariable + ", so that every proxy could change policy. Use another one"
		}
		if problem != "" && i > 0 {
			problem = fmt.Sprintf("token %d of the list %s", i+1, problem)
		}
		add(EdgeTokenVariable, problem)
	}
	add(PublicURLVariable, checkPublicURL(s.PublicURL))
	add(ModulesVariable, checkFolder(s.ModulesDir))
	add(LogLevelVariable, checkLevel(s.LogLevel))
	add(LogFormatVariable, checkFormat(s.LogFormat))
	add(TrustedProxiesVariable, checkProxies(s.TrustedProxies))
	add(AuditRetentionVariable, checkRetention(s.AuditRetention))
	if problems == nil {
		return nil
	}
	return errors.New("the settings do not allow a start:\n  " + strings.Join(problems, "\n  "))
}

// EdgeTokens are the tokens of EdgeToken, without spaces around them.
func (s Settings) EdgeTokens() []string {
	if s.EdgeToken == "" {
		return nil
	}
	tokens := strings.Split(s.EdgeToken, ",")
	for i := range tokens {
		tokens[i] = strings.TrimSpace(tokens[i])
	}
	return tokens
}

const howToMakeToken = "Make one with `openssl rand -hex 32`"

// checkToken refuses tokens that can be guessed, and those that no header can carry.
func checkToken(token string) string {
	switch {
	case token == "":
		return fmt.Sprintf("is missing. It is a secret of at least %d characters. %s", minToken, howToMakeToken)
	case strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "has a space, a line end or another character that an HTTP header cannot carry. Use letters, digits and punctuation only"
	case len(token) < minToken:
		return fmt.Sprintf("has %d characters; it must have at least %d. %s", len(token), minToken, howToMakeToken)
	case distinct(token) < 8:
		return fmt.Sprintf("is weak: it has only %d different characters; it must have at least 8. %s", distinct(token), howToMakeToken)
	}
	return ""
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, c := range s {
		seen[c] = true
	}
	return len(seen)
}

func checkListen(listen string) string {
	_, port, err := net.SplitHostPort(listen)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Sprintf("is %q; it must be host:port such as %s, or :8080 for all addresses", listen, DefaultListen)
	}
	return ""
}

func (s Settings) checkMetricsListen() string {
	_, port, _ := net.SplitHostPort(s.MetricsListen)
	switch {
	case s.MetricsListen == "":
		return ""
	case s.MetricsListen == s.Listen && port != "0":
		return "is " + ListenVariable + "; give another address, or leave it out to serve metrics there"
	}
	return checkListen(s.MetricsListen)
}

func checkStore(store string) string {
	scheme, path, _ := strings.Cut(store, "://")
	switch {
	case store == "":
		return "is missing. Give a file such as sqlite:///var/lib/partnergate/partnergate.db, or mongodb://host:27017/partnergate?replicaSet=rs0"
	case scheme == "sqlite" && !strings.HasPrefix(path, "/"):
		return fmt.Sprintf("is %q; a SQLite file is named by its whole path, with three slashes: sqlite:///var/lib/partnergate/partnergate.db", store)
	case scheme != "sqlite" && scheme != "mongodb" && scheme != "mongodb+srv":
		return fmt.Sprintf("is %q; it must begin with sqlite:/// or mongodb://", redact(store))
	}
	return ""
}

// redact leaves out what may be a password: what stands before the hosts, of
// which MongoDB takes several, and the options.
func redact(store string) string {
	scheme, rest, ok := strings.Cut(store, "://")
	if !ok {
		return "(not a URL)"
	}
	rest, _, _ = strings.Cut(rest, "?")
	hosts, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		hosts = "…" + hosts[at:]
	}
	return scheme + "://" + hosts + "/" + path
}

func checkPublicURL(public string) string {
	if public == "" {
		return ""
	}
	u, err := url.Parse(public)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return fmt.Sprintf("is %q; it must be the http or https URL at which browsers find the portal, without a path, such as https://partners.example.com", public)
	}
	return ""
}

func checkFolder(dir string) string {
	if dir == "" {
		return ""
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Sprintf("is %q, which is no folder. Give the folder with the .wasm files, such as build, or leave it empty to serve none", dir)
	}
	return ""
}

func checkFormat(format string) string {
	if format == "" || slices.Contains(telemetry.Formats, format) {
		return ""
	}
	return fmt.Sprintf("is %q; it must be %s", format, strings.Join(telemetry.Formats, " or "))
}

func checkLevel(level string) string {
	if level == "" || new(slog.LevelVar).UnmarshalText([]byte(level)) == nil {
		return ""
	}
	return fmt.Sprintf("is %q; it must be debug, info, warn or error", level)
}

func checkProxies(proxies string) string {
	if _, wrong := readProxies(proxies); wrong != "" {
		return fmt.Sprintf("has %q, which is no IP address or network; write such as 10.0.0.0/8 or 192.0.2.1, separated by commas", wrong)
	}
	return ""
}

// readProxies returns the networks, or the first word that is none.
func readProxies(proxies string) (prefixes []netip.Prefix, wrong string) {
	if proxies == "" {
		return nil, ""
	}
	for word := range strings.SplitSeq(proxies, ",") {
		word = strings.TrimSpace(word)
		prefix, err := netip.ParsePrefix(word)
		if at, alone := netip.ParseAddr(word); alone == nil {
			prefix, err = netip.PrefixFrom(at, at.BitLen()), nil
		}
		if err != nil {
			return nil, word
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, ""
}

// Proxies are the networks of TrustedProxies of checked settings.
func (s Settings) Proxies() []netip.Prefix {
	prefixes, _ := readProxies(s.TrustedProxies) // Check has read it
	return prefixes
}

func checkRetention(retention string) string {
	if retention == "" {
		return ""
	}
	if d, err := manager.ParseDuration(retention); err != nil || d != 0 && d < 24*time.Hour {
		return fmt.Sprintf("is %q; write how long entries of the audit log are kept, such as %s, at least 1d, or 0 for ever", retention, DefaultAuditRetention)
	}
	return ""
}

// AuditKept is AuditRetention of checked settings; 0 is for ever.
func (s Settings) AuditKept() time.Duration {
	retention := s.AuditRetention
	if retention == "" {
		retention = DefaultAuditRetention
	}
	d, _ := manager.ParseDuration(retention) // Check has read it
	return d
}

// Level is the log level of checked settings.
func (s Settings) Level() slog.Level {
	var level slog.Level
	if s.LogLevel != "" {
		_ = level.UnmarshalText([]byte(s.LogLevel)) // Check has read it; info otherwise
	}
	return level
}

// DefaultStore is a file in the user's state folder: $XDG_STATE_HOME/partnergate,
// or ~/.local/state/partnergate. It is empty where there is neither.
func DefaultStore(getenv func(string) string) string {
	state := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home := getenv("HOME")
		if !filepath.IsAbs(home) {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	return "sqlite://" + filepath.Join(state, "partnergate", "partnergate.db")
}
