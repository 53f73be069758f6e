package web

import (
	"fmt"
	"html/template"
)

// icons are the portal's own, drawn on 20 × 20 with lines of 1.6.
var icons = map[string]string{
	"products":     `<path d="M10 2.5 16.5 6v8L10 17.5 3.5 14V6z"/><path d="M3.8 6.2 10 9.6l6.2-3.4M10 9.6v7.6"/>`,
	"key":          `<circle cx="6.7" cy="13.3" r="3.7"/><path d="m9.4 10.6 7.1-7.1M13.2 6.8l2.6 2.6"/>`,
	"chart":        `<path d="M3 17h14"/><path d="M5.5 13.5v-3M10 13.5v-10M14.5 13.5V7"/>`,
	"list":         `<path d="M7.5 5h9.5M7.5 10h9.5M7.5 15h9.5"/><path d="M3.2 5h.6M3.2 10h.6M3.2 15h.6"/>`,
	"download":     `<path d="M10 3v9.5M6 9l4 4 4-4M4 16.5h12"/>`,
	"copy":         `<rect x="7" y="7" width="9.5" height="9.5" rx="2"/><path d="M13 7V5.5a2 2 0 0 0-2-2H5.5a2 2 0 0 0-2 2V11a2 2 0 0 0 2 2H7"/>`,
	"check":        `<path d="m4 10.5 4 4 8-9"/>`,
	"chevron":      `<path d="m6 8 4 4 4-4"/>`,
	"switch":       `<path d="m6.5 7.5 3.5-3.5 3.5 3.5M6.5 12.5 10 16l3.5-3.5"/>`,
	"arrow":        `<path d="M4 10h12M11.5 5.5 16 10l-4.5 4.5"/>`,
	"back":         `<path d="M16 10H4M8.5 5.5 4 10l4.5 4.5"/>`,
	"plus":         `<path d="M10 4v12M4 10h12"/>`,
	"rotate":       `<path d="M16 10a6 6 0 1 1-1.8-4.3L16 7.5"/><path d="M16 3.5v4h-4"/>`,
	"revoke":       `<circle cx="10" cy="10" r="6.5"/><path d="m5.5 14.5 9-9"/>`,
	"warning":      `<path d="M10 3 17.5 16h-15z"/><path d="M10 8v3.5M10 13.7v.1"/>`,
	"info":         `<circle cx="10" cy="10" r="7"/><path d="M10 9.2v4.3M10 6.5v.1"/>`,
	"person":       `<circle cx="10" cy="7" r="3.2"/><path d="M3.8 16.8a6.4 6.4 0 0 1 12.4 0"/>`,
	"people":       `<circle cx="7.6" cy="7.2" r="2.8"/><path d="M2.5 16.2a5.2 5.2 0 0 1 10.2 0"/><path d="M12.8 4.7a2.6 2.6 0 0 1 0 5M15 12.2a5 5 0 0 1 2.6 4"/>`,
	"leave":        `<path d="M8 3.5H5.5a2 2 0 0 0-2 2v9a2 2 0 0 0 2 2H8M12.5 6.5 16 10l-3.5 3.5M16 10H8"/>`,
	"clock":        `<circle cx="10" cy="10" r="7"/><path d="M10 6v4.2l2.8 1.8"/>`,
	"pause":        `<circle cx="10" cy="10" r="7"/><path d="M8.2 7.5v5M11.8 7.5v5"/>`,
	"pulse":        `<path d="M2.5 10.5h3.5l2.2-6 3.6 11 2.2-5h3.5"/>`,
	"proxy":        `<rect x="3" y="3.5" width="14" height="5.5" rx="1.6"/><rect x="3" y="11" width="14" height="5.5" rx="1.6"/><path d="M6.2 6.2h.1M6.2 13.7h.1M10 6.2h4M10 13.7h4"/>`,
	"journal":      `<path d="M5 3h9.5a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H5.5A1.5 1.5 0 0 1 4 15.5V4a1 1 0 0 1 1-1z"/><path d="M7.5 7h5M7.5 10h5M7.5 13h3"/>`,
	"question":     `<circle cx="10" cy="10" r="7"/><path d="M7.9 8a2.2 2.2 0 1 1 3 2.1c-.6.3-.9.7-.9 1.4M10 13.8v.1"/>`,
	"globe":        `<circle cx="10" cy="10" r="7"/><path d="M3 10h14M10 3c2.2 2 3.2 4.3 3.2 7S12.2 15 10 17c-2.2-2-3.2-4.3-3.2-7S7.8 5 10 3z"/>`,
	"theme-system": `<rect x="3" y="4" width="14" height="9.5" rx="1.6"/><path d="M7.5 16.5h5M10 13.5v3"/>`,
	"theme-light":  `<circle cx="10" cy="10" r="3"/><path d="M10 2.8v1.7M10 15.5v1.7M2.8 10h1.7M15.5 10h1.7M4.9 4.9l1.2 1.2M13.9 13.9l1.2 1.2M4.9 15.1l1.2-1.2M13.9 6.1l1.2-1.2"/>`,
	"theme-dark":   `<path d="M16 11.6A6.5 6.5 0 0 1 8.4 4a6.5 6.5 0 1 0 7.6 7.6z"/>`,
}

// icon is an inline drawing in the colour of the text around it. It says
// nothing to screen readers: the words beside it do.
func icon(name string) (template.HTML, error) {
	drawing, ok := icons[name]
	if !ok {
		if name != "x" { // what pages are checked with at start
			return "", fmt.Errorf("there is no icon %q", name)
		}
		drawing = ""
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 20 20" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">` +
		drawing + `</svg>`), nil
}
