package portal

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// number writes n with commas between thousands.
func number(n int64) string {
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

// count is "1 key", "2 keys".
func count(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + one + "s"
}

// limitWords says a limit as a contract would: "5 requests a second, bursts of 10".
func limitWords(l manager.Limit) string {
	words := ""
	switch {
	case l.Rate != nil:
		words = count(l.Rate.Requests, "request") + " " + per(l.Rate.Per)
		if l.Rate.Burst > l.Rate.Requests {
			words += ", bursts of " + number(l.Rate.Burst)
		}
	case l.Quota != nil:
		words = count(l.Quota.Requests, "request") + " " + per(l.Quota.Per)
	case l.Concurrency != nil:
		words = count(l.Concurrency.Requests, "request") + " at the same time"
	}
	switch l.Scope {
	case manager.ScopePartner:
		words += ", across all your products"
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

// moment is a time as pages show it. All times are UTC.
type moment struct {
	ISO  string // for machines, to the millisecond
	Full string // 24 November 2026, 06:48:12 UTC
	Text string // what is read; empty for no time at all
}

func momentOf(t time.Time, text string) moment {
	t = t.UTC()
	return moment{ISO: t.Format("2006-01-02T15:04:05.000Z07:00"), Full: t.Format("2 January 2006, 15:04:05 UTC"), Text: text}
}

// day is the moment as a date.
func day(t time.Time) moment { return momentOf(t, t.UTC().Format("2 Jan 2006")) }

// ago is how long before now t was.
func ago(t, now time.Time) moment {
	switch passed := now.Sub(t); {
	case passed < time.Minute:
		return momentOf(t, "just now")
	case passed < time.Hour:
		return momentOf(t, count(int64(passed.Minutes()), "minute")+" ago")
	case passed < 48*time.Hour:
		return momentOf(t, count(int64(passed.Hours()), "hour")+" ago")
	case passed < 30*24*time.Hour:
		return momentOf(t, count(int64(passed.Hours()/24), "day")+" ago")
	}
	return day(t)
}

// until is how long after now t will be.
func until(t, now time.Time) moment {
	switch left := t.Sub(now); {
	case left <= 0:
		return day(t)
	case left < time.Hour:
		return momentOf(t, "in "+count(int64(left.Minutes())+1, "minute"))
	case left < 48*time.Hour:
		return momentOf(t, "in "+count(int64(left.Round(time.Hour).Hours()), "hour"))
	case left < 30*24*time.Hour:
		return momentOf(t, "in "+count(int64(left.Round(24*time.Hour).Hours()/24), "day"))
	}
	return day(t)
}

// pathPart is a piece of a path template.
type pathPart struct {
	Text      string
	Parameter bool
}

// pathParts splits a path template so that its parameters can be told apart.
func pathParts(path string) []pathPart {
	var parts []pathPart
	for path != "" {
		open := strings.IndexByte(path, '{')
		if open < 0 {
			return append(parts, pathPart{Text: path})
		}
		end := strings.IndexByte(path[open:], '}')
		if end < 0 {
			return append(parts, pathPart{Text: path})
		}
		if open > 0 {
			parts = append(parts, pathPart{Text: path[:open]})
		}
		parts = append(parts, pathPart{Text: path[open : open+end+1], Parameter: true})
		path = path[open+end+1:]
	}
	return parts
}

// paragraphs splits a description at its empty lines. Descriptions are the
// provider's Markdown and untrusted: they are shown as text and never as HTML.
func paragraphs(text string) []string {
	var list []string
	for p := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			list = append(list, p)
		}
	}
	return list
}

// textSpan is a piece of a paragraph.
type textSpan struct {
	Text string
	Code bool
}

// spans finds what a paragraph's Markdown marks as code; all else stays as it is written.
func spans(paragraph string) []textSpan {
	pieces := strings.Split(paragraph, "`")
	if len(pieces)%2 == 0 { // a mark without its pair
		return []textSpan{{Text: paragraph}}
	}
	var list []textSpan
	for i, piece := range pieces {
		if piece != "" {
			list = append(list, textSpan{piece, i%2 == 1})
		}
	}
	return list
}

// percent is part of whole from 0 to 100, never 0 or 100 for what is not quite.
func percent(part, whole int64) int {
	switch {
	case part <= 0 || whole <= 0:
		return 0
	case part >= whole:
		return 100
	}
	return max(1, min(99, int(float64(part)/float64(whole)*100)))
}

func share(part, whole int64) string {
	if whole == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.1f %%", float64(part)/float64(whole)*100)
}
