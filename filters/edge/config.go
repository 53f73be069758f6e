package edge

import (
	"strconv"
	"strings"

	"github.com/partnergate/partnergate/filters/policy"
)

// Manager is where the manager is, and what proves to it that the proxy is one
// of its own.
type Manager struct {
	Cluster   string // the host's cluster
	Authority string
	Token     string
}

// namespace separates what belongs to one manager in the host's shared data
// and queues, where other plugins may live too.
func (m *Manager) namespace() string {
	sum := policy.Digest(m.Cluster + "\x00" + m.Authority + "\x00" + m.Token)
	return "partnergate/" + strconv.Itoa(layout) + "/" + hex(sum[:8]) + "/"
}

// layout is raised when what stands in shared data or queues changes its form.
const layout = 1

// RateLimitHeaders says on which responses RateLimit and RateLimit-Policy are set.
type RateLimitHeaders uint8

// The choices.
const (
	RateLimitAlways RateLimitHeaders = iota
	RateLimitRefusals
	RateLimitNever
)

// Config is a plugin's configuration.
type Config struct {
	Manager          Manager
	Environment      string // only requests to it are let through; empty for all
	MaxStale         int64  // milliseconds without contact after which all is refused
	RateLimitHeaders RateLimitHeaders
	Shadow           bool   // decide, count and log, but let through
	ErrorsURL        string // what a problem's type begins with; the code follows
	Bootstrap        string // a policy to begin with, as policy.Bootstrap in base64; empty for none
}

// Defaults of optional fields.
const (
	DefaultAuthority = "partnergate.internal"
	DefaultMaxStale  = 24 * 60 * 60 * 1000
	DefaultErrorsURL = "https://partnergate.dev/errors/"
)

// ParseConfig reads a plugin's configuration, JSON. getenv reads a variable of
// the VM's environment. The error names the field and the remedy.
func ParseConfig(text string, getenv func(name string) string) (Config, error) {
	c := Config{MaxStale: DefaultMaxStale, ErrorsURL: DefaultErrorsURL, Manager: Manager{Authority: DefaultAuthority}}
	r := &jsonReader{text: text}
	tokenEnv := ""
	err := r.object("", func(name string) error { return c.read(r, name, &tokenEnv) })
	if err == nil {
		err = r.end()
	}
	if err == nil {
		err = c.complete(tokenEnv, getenv)
	}
	return c, err
}

func (c *Config) read(r *jsonReader, name string, tokenEnv *string) error {
	if name == "manager" {
		return r.object("manager.", func(name string) error { return c.Manager.read(r, name, tokenEnv) })
	}
	var set func(string) error
	switch name {
	case "environment":
		set = c.setEnvironment
	case "max_stale":
		set = c.setMaxStale
	case "rate_limit_headers":
		set = c.setRateLimitHeaders
	case "mode":
		set = c.setMode
	case "errors_url":
		set = func(value string) error { c.ErrorsURL = value; return nil }
	case "bootstrap":
		set = func(value string) error { c.Bootstrap = value; return nil }
	default:
		return configError(name + " is not a field; there are manager, environment, max_stale, rate_limit_headers, mode, errors_url and bootstrap")
	}
	value, err := r.string(name)
	if err != nil {
		return err
	}
	return set(value)
}

func (m *Manager) read(r *jsonReader, name string, tokenEnv *string) (err error) {
	switch name {
	case "cluster":
		m.Cluster, err = r.string("manager.cluster")
	case "authority":
		m.Authority, err = r.string("manager.authority")
	case "token":
		m.Token, err = r.string("manager.token")
	case "token_env":
		*tokenEnv, err = r.string("manager.token_env")
	default:
		err = configError("manager." + name + " is not a field; there are cluster, authority, token and token_env")
	}
	return err
}

// complete checks what must be there.
func (c *Config) complete(tokenEnv string, getenv func(name string) string) error {
	m := &c.Manager
	switch {
	case m.Cluster == "":
		return configError("manager.cluster is missing; name the proxy's cluster that leads to the manager")
	case m.Authority == "":
		return configError("manager.authority is empty; leave it out or name the manager's host")
	case m.Token != "" && tokenEnv != "":
		return configError("manager.token and manager.token_env are both set; keep one")
	case m.Token == "" && tokenEnv == "":
		return configError("manager.token is missing; set it, or manager.token_env, to the manager's edge token")
	case m.Token == "":
		if m.Token = getenv(tokenEnv); m.Token == "" {
			return configError("manager.token_env: the VM's environment has no " + tokenEnv +
				"; in Envoy list it in vm_config.environment_variables and set it for the process")
		}
	}
	for _, text := range [...]string{m.Authority, m.Token} {
		if !headerValue(text) {
			return configError("manager: authority and token may hold visible ASCII characters only")
		}
	}
	return nil
}

func headerValue(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] <= ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

func (c *Config) setEnvironment(value string) error {
	if value == "" {
		return configError("environment is empty; leave it out or name an environment")
	}
	if !label(value) {
		return configError(`environment: "` + value + `" cannot be the name of an environment: a name has at most 63 of a-z, 0-9 and -, with a letter or digit at both ends`)
	}
	c.Environment = value
	return nil
}

// label tells whether text is a DNS label (RFC 1123) as names of resources are: in lower case.
func label(text string) bool {
	for i := range len(text) {
		c := text[i]
		alphanumeric := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !alphanumeric && (c != '-' || i == 0 || i == len(text)-1) {
			return false
		}
	}
	return 0 < len(text) && len(text) <= policy.MaxName
}

func (c *Config) setMaxStale(value string) error {
	milliseconds, ok := parseDuration(value)
	if !ok {
		return configError(`max_stale: "` + value + `" is no time of at least a second, such as "24h" or "1h30m"`)
	}
	c.MaxStale = milliseconds
	return nil
}

func (c *Config) setRateLimitHeaders(value string) error {
	switch value {
	case "always":
		c.RateLimitHeaders = RateLimitAlways
	case "refusals":
		c.RateLimitHeaders = RateLimitRefusals
	case "never":
		c.RateLimitHeaders = RateLimitNever
	default:
		return configError(`rate_limit_headers: "` + value + `" is none of always, refusals and never`)
	}
	return nil
}

func (c *Config) setMode(value string) error {
	if value != "enforce" && value != "shadow" {
		return configError(`mode: "` + value + `" is neither enforce nor shadow`)
	}
	c.Shadow = value == "shadow"
	return nil
}

// parseDuration reads hours, minutes and seconds, such as "1h30m", as milliseconds.
func parseDuration(text string) (milliseconds int64, ok bool) {
	for text != "" {
		end := strings.IndexAny(text, "hms")
		if end < 1 || end > 9 {
			return 0, false
		}
		n, err := strconv.ParseUint(text[:end], 10, 32)
		if err != nil {
			return 0, false
		}
		unit := int64(1000)
		switch text[end] {
		case 'h':
			unit = 3_600_000
		case 'm':
			unit = 60_000
		}
		milliseconds += int64(n) * unit
		text = text[end+1:]
	}
	return milliseconds, milliseconds > 0
}

func hex(raw []byte) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 2*len(raw))
	for _, c := range raw {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return string(b)
}
