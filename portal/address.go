package portal

import (
	"net"
	"net/url"
	"strings"

	"github.com/partnergate/partnergate/portal/web"
)

// keyVariable is the shell variable that curl lines take the key from, so that
// a line can be pasted, kept and shown without a secret in it.
const keyVariable = "$PARTNERGATE_KEY"

// nextLine goes on with a shell command on the next line.
const nextLine = " \\\n  "

// address is how a host of a product is called through the gateway.
type address struct {
	base string // scheme, host and port
	host string // to be sent as Host where base is not the host itself
}

// addressOf joins a host with the scheme and port of the environment's
// gateway. A gateway on this machine is called by its own address, with the
// host named beside it, unless the host leads there by itself (.localhost).
func addressOf(gateway, host string) address {
	u, err := url.Parse(gateway)
	if err != nil || u.Host == "" {
		return address{base: "https://" + host}
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && !strings.HasSuffix(host, ".localhost") {
		return address{base: u.Scheme + "://" + u.Host, host: host}
	}
	base := u.Scheme + "://" + host
	if port := u.Port(); port != "" && !strings.Contains(host, ":") {
		base += ":" + port
	}
	return address{base: base}
}

func (a address) url(path string) string { return a.base + path }

// curl is a line for a shell: parameters of the path are variables too.
func (a address) curl(method, path string) string {
	var line strings.Builder
	line.WriteString("curl")
	if method != "GET" {
		line.WriteString(" -X " + method)
	}
	line.WriteString(` "` + shellQuoted(a.base))
	for _, part := range web.PathParts(path) {
		if part.Parameter {
			line.WriteString("$" + variable(part.Text))
		} else {
			line.WriteString(shellQuoted(part.Text))
		}
	}
	line.WriteString(`"` + nextLine + `-H "x-api-key: ` + keyVariable + `"`)
	if a.host != "" {
		line.WriteString(nextLine + `-H "host: ` + shellQuoted(a.host) + `"`)
	}
	if hasBody(method) {
		line.WriteString(nextLine + `-H "content-type: application/json" -d '{}'`)
	}
	return line.String()
}

// shellQuoted is text for between double quotes of a shell.
func shellQuoted(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(text)
}

// variable turns {payment-id} into PAYMENT_ID.
func variable(parameter string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_':
			return r
		}
		return '_'
	}, strings.Trim(parameter, "{}"))
}
