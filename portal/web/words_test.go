package web

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

func TestLimitWords(t *testing.T) {
	for _, c := range []struct {
		limit manager.Limit
		want  string
	}{
		{manager.Limit{Rate: &manager.Rate{Requests: 5, Per: "second", Burst: 10}}, "5 requests a second, bursts of 10"},
		{manager.Limit{Rate: &manager.Rate{Requests: 5, Per: "second", Burst: 5}}, "5 requests a second"},
		{manager.Limit{Rate: &manager.Rate{Requests: 1, Per: "hour"}}, "1 request an hour"},
		{manager.Limit{Quota: &manager.Quota{Requests: 10000, Per: "month"}, Scope: manager.ScopePartner}, "10,000 requests a month, across all products"},
		{manager.Limit{Concurrency: &manager.Concurrency{Requests: 20}, Scope: manager.ScopeApplication}, "20 requests at the same time, for each application"},
	} {
		if got := LimitWords(c.limit); got != c.want {
			t.Errorf("%+v is %q, not %q", c.limit, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1: "-1", -1000: "-1,000", -999: "-999", -123456: "-123,456", math.MaxInt64: "9,223,372,036,854,775,807"} {
		if got := Number(n); got != want {
			t.Errorf("%d is %q, not %q", n, got, want)
		}
	}
	for _, c := range []struct {
		part, whole int64
		want        int
	}{{0, 10, 0}, {1, 1000, 1}, {999, 1000, 99}, {10, 10, 100}, {11, 10, 100}, {5, 0, 0}, {math.MaxInt64 - 1, math.MaxInt64, 99}} {
		if got := Percent(c.part, c.whole); got != c.want {
			t.Errorf("%d of %d is %d percent, not %d", c.part, c.whole, got, c.want)
		}
	}
}

func TestMoments(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "just now", 90 * time.Second: "1 minute ago", 3 * time.Hour: "3 hours ago", 50 * time.Hour: "2 days ago", 40 * 24 * time.Hour: "15 Oct 2026",
	} {
		if got := Ago(now.Add(-d), now).Text; got != want {
			t.Errorf("%s before is %q, not %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		30 * time.Second: "in 1 minute", 24*time.Hour - time.Second: "in 24 hours", 7 * 24 * time.Hour: "in 7 days", 40 * 24 * time.Hour: "3 Jan 2027", -time.Hour: "24 Nov 2026",
	} {
		if got := Until(now.Add(d), now).Text; got != want {
			t.Errorf("%s after is %q, not %q", d, got, want)
		}
	}
	if m := Day(now.In(time.FixedZone("", 3600))); m.ISO != "2026-11-24T12:00:00.000Z" || m.Full != "24 November 2026, 12:00:00 UTC" {
		t.Errorf("a moment is %+v", m)
	}
}

func TestPathParts(t *testing.T) {
	for path, want := range map[string][]PathPart{
		"/a/{b}/c": {{"/a/", false}, {"{b}", true}, {"/c", false}},
		"{a}{b}":   {{"{a}", true}, {"{b}", true}},
		"/a{b":     {{"/a{b", false}},
		"":         nil,
	} {
		if got := PathParts(path); !slices.Equal(got, want) {
			t.Errorf("%s is %v, not %v", path, got, want)
		}
	}
}

func TestDescriptions(t *testing.T) {
	for text, want := range map[string][]string{
		"One\r\nline.\r\n\r\n\n  Two.  \n\n\n":        {"One line.", "Two."},
		"Either\n- one\n  or\n- **two**\n1. or three": {"Either\n- one or\n- **two**\n1. or three"},
		"A break  \nthat\\\nis meant, *this\n*not":    {"A break\nthat\\\nis meant, *this *not"},
		"| a | b |\n| - | - |\n> quoted\n    code":    {"| a | b |\n| - | - |\n> quoted\ncode"},
		"```\na\nb\n\nc\n```":                         {"```\na\nb", "c\n```"},
	} {
		if got := Paragraphs(text); !slices.Equal(got, want) {
			t.Errorf("the paragraphs of %q are %q", text, got)
		}
	}
	if got := Spans("a `b` c"); !slices.Equal(got, []TextSpan{{"a ", false}, {"b", true}, {" c", false}}) {
		t.Errorf("the spans are %v", got)
	}
	if got := Spans("a ` c"); !slices.Equal(got, []TextSpan{{"a ` c", false}}) {
		t.Errorf("the spans are %v", got)
	}
}

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{"": "", "there is no x": "There is no x.", "It is so.": "It is so.", "über uns": "Über uns."} {
		if got := Sentence(text); got != want {
			t.Errorf("%q is %q", text, got)
		}
	}
}
