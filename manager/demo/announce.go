package demo

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Styles of the terminal; empty where there are no colours.
type styles struct{ bold, dim, green, reset string }

func (d *demo) styles() styles {
	if !d.Color {
		return styles{}
	}
	return styles{bold: "\x1b[1m", dim: "\x1b[2m", green: "\x1b[32m", reset: "\x1b[0m"}
}

// announce tells what runs and how to use it.
func (d *demo) announce() {
	page := &page{styles: d.styles()}
	page.title("Partnergate is running. Ctrl-C ends it.")
	d.showPlaces(page)
	d.showKeys(page)
	d.showCalls(page)
	d.showCommand(page)
	d.showParts(page)
	_, _ = io.WriteString(d.Out, page.String()) // the process goes on without a reader
	if d.Started != nil {
		d.Started(d.facts)
	}
}

// page is text with a few headings and aligned columns.
type page struct {
	strings.Builder
	styles
}

func (p *page) title(text string) { fmt.Fprintf(p, "\n%s%s%s\n", p.bold, text, p.reset) }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, "  "+format+"\n", args...) }

// pair is a dim label in a column of its own, and a text.
func (p *page) pair(label, format string, args ...any) {
	fmt.Fprintf(p, "  %s%-10s%s%s\n", p.dim, label, p.reset, fmt.Sprintf(format, args...))
}

func (d *demo) showPlaces(p *page) {
	p.title("Portal")
	p.line("%s%s%s", p.green, d.facts.ManagerURL, p.reset)
	for _, who := range d.scene.members {
		p.line("%-22s%-34s%s%s%s", who.email, d.facts.Passwords[who.email], p.dim, who.sees, p.reset)
	}
	p.title("Console, for operators")
	p.line("%s%s/admin%s", p.green, d.facts.ManagerURL, p.reset)
	p.line("%-22s%s", "token", d.facts.AdminToken)
	p.title("Gateway")
	for _, h := range d.scene.hosts {
		note := strings.Replace(h.note, "%s", d.gatewayAddress(), 1)
		p.line("%s%-44s%s%s%s%s", p.green, d.at(h.host, ""), p.reset, p.dim, note, p.reset)
	}
}

func (d *demo) gatewayAddress() string {
	if u, err := url.Parse(d.facts.GatewayURL); err == nil {
		return u.Host
	}
	return d.facts.GatewayURL
}

func (d *demo) showKeys(p *page) {
	p.title("Keys, fresh for this run: paste these lines first")
	for _, k := range d.facts.Keys {
		p.line("export %s=%s", k.Variable, k.Key)
	}
}

// showCalls shows calls with what each should answer.
func (d *demo) showCalls(p *page) {
	p.title("Calls, and what each should answer")
	for _, c := range d.scene.calls {
		header := ""
		if c.variable != "" {
			header = fmt.Sprintf(`-H "x-api-key: $%s" `, c.variable)
		}
		p.line("%s# %s%s", p.dim, c.answer, p.reset)
		p.line("curl -i %s%s", header, d.at(c.host, c.path))
	}
	flooded := d.scene.flooded
	p.line("%s# %s%s", p.dim, d.scene.flood, p.reset)
	p.line(`for i in $(seq 20); do curl -s -o /dev/null -w '%%{http_code} ' -H "x-api-key: $%s" %s; done; echo`,
		flooded.variable, d.at(flooded.host, flooded.path))
}

func (d *demo) showCommand(p *page) {
	p.title("The command, for operators")
	p.line("export PARTNERGATE_URL=%s PARTNERGATE_ADMIN_TOKEN=%s", d.facts.ManagerURL, d.facts.AdminToken)
	examples := []struct{ command, does string }{
		{"requests", "who called what, and why it was refused"},
		{"usage", "requests by partner, product and outcome"},
		{"proxies", "which gateways there are, and their policy version"},
		{"keys list --partner " + d.scene.partner, "keys, and when each was last used"},
	}
	program, width := d.program(), 0
	for _, e := range examples {
		width = max(width, len(program)+1+len(e.command))
	}
	for _, e := range examples {
		p.line("%-*s   %s# %s%s", width, program+" "+e.command, p.dim, e.does, p.reset)
	}
}

// program is how a shell in the working folder calls this command.
func (d *demo) program() string {
	path, err := os.Executable()
	if err != nil {
		return "partnergate"
	}
	if path = relative(path); !strings.Contains(path, "/") {
		return "./" + path
	}
	return path
}

// relative shortens a path below the working folder.
func relative(path string) string {
	here, err := filepath.Abs(".")
	if err != nil {
		return path
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(here, absolute); err == nil && !strings.HasPrefix(short, "..") {
		return short
	}
	return path
}

func (d *demo) showParts(p *page) {
	p.title("What is real here")
	d.showManagers(p)
	p.pair("", "the filters: %s", relative(filepath.Join(d.ModulesDir, "partnergate.wasm")))
	logs := []string{"demo.log"}
	if d.Gateway == Envoy {
		p.pair("", "Envoy, as envoy-examples/%s has it", d.Example)
		logs = append(logs, "envoy.log", "access.log")
	} else {
		p.pair("embedded", "the gateway: the filters run behind the test harness's host, in this process;")
		p.pair("", "`make run GATEWAY=envoy` runs them in Envoy")
	}
	p.pair("sample", "two upstreams with fixed answers; partners, products and plans of %s", d.scene.folder)
	for i, name := range logs {
		logs[i] = relative(filepath.Join(d.dir, name))
	}
	slices.Sort(logs)
	p.pair("logs", "%s", strings.Join(logs, ", "))
	p.WriteString("\n")
}

func (d *demo) showManagers(p *page) {
	if d.facts.SecondURL == "" {
		p.pair("real", "the manager with portal and admin API; its data in %s", d.storeName())
		return
	}
	p.pair("real", "two managers with portal and admin API, %s and %s: either may be asked,", d.facts.ManagerURL, d.facts.SecondURL)
	p.pair("", "and the gateway speaks to both; their data in %s", d.storeName())
	if d.mongod {
		p.pair("", "mongod, a replica set of one: %s", d.Store)
	}
}

func (d *demo) storeName() string {
	if d.mongod {
		return relative(filepath.Join(d.dir, "mongodb"))
	}
	if path, ok := strings.CutPrefix(d.Store, "sqlite://"); ok {
		return relative(path)
	}
	return "the store given"
}
