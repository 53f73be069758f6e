package testharness_test

import (
	"io"
	"testing"
)

func TestRequestPassesFiltersAndUpstream(t *testing.T) {
	p := start(t, config(script(
		"* trace",
		"request_headers set 0 x-partner-id acme",
		"response_headers add 2 x-filter yes",
	)))
	response := do(t, p, request("GET", "/v1//pay%2f?a=%zz", "X-Api-Key", "k"))
	if response.StatusCode != 200 || response.Header.Get("X-Filter") != "yes" || response.Header.Get("Got-X-Partner-Id") != "acme" {
		t.Error(response.Status, response.Header)
	}
	if got := response.Header.Get("X-Path"); got != "/v1//pay%2f?a=%zz" {
		t.Error(got)
	}
	body, _ := io.ReadAll(response.Body)
	if string(body) != "GET api.example.test/v1//pay%2f?a=%zz" {
		t.Errorf("%q", body)
	}
	wantLogs(t, p, "create", "vm_start", "configure", "create",
		"request_headers 1", "response_headers 0", "response_body 0 37", "response_body 1 0", "log", "done", "delete")
}

func TestLocalReply(t *testing.T) {
	p := start(t, config(
		script("request_headers log first", "response_headers log first", "log log first"),
		script("request_headers log second", "request_headers reply 403 no_way x-code=42 denied", "response_headers log second", "log log second"),
		script("request_headers log third", "response_headers log third", "log log third", "log property response|code_details"),
	))
	response := do(t, p, request("GET", "/"))
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != 403 || string(body) != "denied" || response.Header.Get("X-Code") != "42" || response.Header.Get("Content-Type") != "text/plain" {
		t.Error(response.Status, string(body), response.Header)
	}
	if got := p.CodeDetails(response); got != "no_way" {
		t.Error(got)
	}
	wantLogs(t, p, "first", "second", "second", "first", "first", "second", "third", "log property response|code_details = no_way")
}
