package web

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/partnergate/partnergate/manager"
)

// Number writes n with commas between thousands.
func Number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	head := len(digits) % 3
	if n < 0 && head == 1 {
		head += 3
	}
	parts := []string{}
	if head > 0 {
		parts = append(parts, digits[:head])
	}
	for at := head; at < len(digits); at += 3 {
		parts = append(parts, digits[at:at+3])
	}
	return strings.Join(parts, ",")
}

// Count is "1 key", "2 keys".
func Count(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + one + "s"
}

// LimitWords says a limit as a contract would: "5 requests a second, bursts of 10".
func LimitWords(l manager.Limit) string {
	words := ""
	switch {
	case l.Rate != nil:
		words = Count(l.Rate.Requests, "request") + " " + per(l.Rate.Per)
		if l.Rate.Burst > l.Rate.Requests {
			words += ", bursts of " + Number(l.Rate.Burst)
		}
	case l.Quota != nil:
		words = Count(l.Quota.Requests, "request") + " " + per(l.Quota.Per)
	case l.Concurrency != nil:
		words = Count(l.Concurrency.Requests, "request") + " at the same time"
	}
	switch l.Scope {
	case manager.ScopePartner:
		words += ", across all products"
	case manager.ScopeApplication:
		words += ", for each application"
	}
	return words
}

func per(unit string) string {
	if unit == "hour" {
		return "an hour"
	}
	return "a " + unit
}

// Moment is a time as pages show it. All times are UTC.
type Moment struct {
	ISO  string // for machines, to the millisecond
	Full string // 24 November 2026, 06:48:12 UTC
	Text string // what is read; empty for no time at all
}

func MomentOf(t time.Time, text string) Moment {
	t = t.UTC()
	return Moment{ISO: t.Format("2006-01-02T15:04:05.000Z07:00"), Full: t.Format("2 January 2006, 15:04:05 UTC"), Text: text}
}

// Day is the Moment as a date.
func Day(t time.Time) Moment { return MomentOf(t, t.UTC().Format("2 Jan 2006")) }

// Ago is how long before now t was.
func Ago(t, now time.Time) Moment {
	switch passed := now.Sub(t); {
	case passed < time.Minute:
		return MomentOf(t, "just now")
	case passed < time.Hour:
		return MomentOf(t, Count(int64(passed.Minutes()), "minute")+" ago")
	case passed < 48*time.Hour:
		return MomentOf(t, Count(int64(passed.Hours()), "hour")+" ago")
	case passed < 30*24*time.Hour:
		return MomentOf(t, Count(int64(passed.Hours()/24), "day")+" ago")
	}
	return Day(t)
}

// Until is how long after now t will be.
func Until(t, now time.Time) Moment {
	switch left := t.Sub(now); {
	case left <= 0:
		return Day(t)
	case left < time.Hour:
		return MomentOf(t, "in "+Count(int64(left.Minutes())+1, "minute"))
	case left < 48*time.Hour:
		return MomentOf(t, "in "+Count(int64(left.Round(time.Hour).Hours()), "hour"))
	case left < 30*24*time.Hour:
		return MomentOf(t, "in "+Count(int64(left.Round(24*time.Hour).Hours()/24), "day"))
	}
	return Day(t)
}

// PathPart is a piece of a path template.
type PathPart struct {
	Text      string
	Parameter bool
}

// PathParts splits a path template so that its parameters can be told apart.
func PathParts(path string) []PathPart {
	var parts []PathPart
	for path != "" {
		open := strings.IndexByte(path, '{')
		if open < 0 {
			return append(parts, PathPart{Text: path})
		}
		end := strings.IndexByte(path[open:], '}')
		if end < 0 {
			return append(parts, PathPart{Text: path})
		}
		if open > 0 {
			parts = append(parts, PathPart{Text: path[:open]})
		}
		parts = append(parts, PathPart{Text: path[open : open+end+1], Parameter: true})
		path = path[open+end+1:]
	}
	return parts
}

// Paragraphs splits a description at its empty lines. Descriptions are the
// provider's Markdown and untrusted: they are shown as text and never as HTML.
func Paragraphs(text string) []string {
	var list []string
	text = strings.ReplaceAll(text, "\r\n", "\n")
	fenced := strings.Contains(text, "```")
	for p := range strings.SplitSeq(text, "\n\n") {
		if p = strings.TrimSpace(p); p != "" && !fenced {
			p = reflowed(p)
		}
		if p != "" {
			list = append(list, p)
		}
	}
	return list
}

// lineOfItsOwn begins an item of a list, a heading, a quote, a row of a table, or indented code.
var lineOfItsOwn = regexp.MustCompile(`^(\s*([-*+]|\d+[.)])\s|\s*[#>|]|\t| {4})`)

// reflowed joins the lines of a paragraph as Markdown does: where one ends says how wide the writer's screen was.
func reflowed(paragraph string) string {
	var b strings.Builder
	broken := false // the line before ends with a break that is meant
	for i, line := range strings.Split(paragraph, "\n") {
		switch {
		case i == 0:
		case broken || lineOfItsOwn.MatchString(line):
			b.WriteByte('\n')
		default:
			b.WriteByte(' ')
		}
		broken = strings.HasSuffix(line, "  ") || strings.HasSuffix(line, "\\")
		b.WriteString(strings.TrimSpace(line))
	}
	return b.String()
}

// TextSpan is a piece of a paragraph.
type TextSpan struct {
	Text string
	Code bool
}

// Spans finds what a paragraph's Markdown marks as code; all else stays as it is written.
func Spans(paragraph string) []TextSpan {
	pieces := strings.Split(paragraph, "`")
	if len(pieces)%2 == 0 { // a mark without its pair
		return []TextSpan{{Text: paragraph}}
	}
	var list []TextSpan
	for i, piece := range pieces {
		if piece != "" {
			list = append(list, TextSpan{piece, i%2 == 1})
		}
	}
	return list
}

// Percent is part of whole from 0 to 100, never 0 or 100 for what is not quite.
func Percent(part, whole int64) int {
	switch {
	case part <= 0 || whole <= 0:
		return 0
	case part >= whole:
		return 100
	}
	return max(1, min(99, int(float64(part)/float64(whole)*100)))
}

func Share(part, whole int64) string {
	if whole == 0 {
		return "0%"
	}
	return fmt.Sprintf("%.1f%%", float64(part)/float64(whole)*100)
}

// Sentence is a message of the domain as a reader gets it: with a capital and a full stop.
func Sentence(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
