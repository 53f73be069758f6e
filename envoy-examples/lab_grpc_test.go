package envoyexamples

import (
	"context"
	"net/http"
	"strconv"
	"testing"

	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/policy"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// grpcCall is a call that the filters refuse.
type grpcCall struct {
	want           policy.Code
	listener, host string
	method         string
	keys           []string
}

// TestGRPCClientsUnderstandEveryRefusal calls with a real gRPC client over HTTP/2, and compares what it makes of the refusal.
func TestGRPCClientsUnderstandEveryRefusal(t *testing.T) {
	l := getLab(t)
	keys, version := corpusKeys(t, l.backend)
	l.awaitPolicy(t, version, l.listeners["plain"])
	run := oddRun{address: l.listeners["plain"], keys: keys}
	run.awaitExpired(t)
	spent := l.withQuota(t)
	l.spend(t, spent, "/lab/ping", "limit_exceeded")
	l.spend(t, "lab-capacity", "/lab/scarce", "capacity_exceeded")
	seen := map[policy.Code]bool{}
	for _, c := range []grpcCall{
		{want: policy.PathNotCanonical, method: "/lab//ping", keys: []string{keys["acme"]}},
		{want: policy.CredentialMissing},
		{want: policy.CredentialAmbiguous, keys: []string{keys["acme"], keys["globex"]}},
		{want: policy.CredentialUnknown, keys: []string{keys["unissued"]}},
		{want: policy.CredentialRevoked, keys: []string{keys["acme-revoked"]}},
		{want: policy.CredentialExpired, keys: []string{keys["acme-expired"]}},
		{want: policy.PartnerSuspended, keys: []string{keys["initech"]}},
		{want: policy.EnvironmentMismatch, keys: []string{keys["acme-production"]}},
		{want: policy.OperationNotFound, keys: []string{keys["acme"]}},
		{want: policy.FilterMissing, listener: "filter_missing"},
		{want: policy.FilterError, listener: "filter_error"},
		{want: policy.PolicyUnavailable, listener: "policy_unavailable"},
		{want: policy.PolicyStale, listener: "policy_stale"},
	} {
		seen[c.want] = true
		c.check(t, l)
	}
	// These need an operation, and the estate's are asked for with GET, which no gRPC client sends.
	for _, c := range []grpcHead{
		{policy.LimitExceeded, "plain", "/lab/ping", labHost, l.keys[spent]},
		{policy.LimitUnavailable, "limit_unavailable", "/lab/ping", labHost, l.keys["lab-plain"]},
		{policy.CapacityExceeded, "plain", "/lab/scarce", labHost, l.keys["lab-capacity"]},
		{policy.SubscriptionSuspended, "plain", "/v1/pay", corpus.SandboxHost, keys["hooli"]},
	} {
		seen[c.want] = true
		c.check(t, l)
	}
	for _, code := range policy.Refusals() {
		if !seen[code] {
			t.Errorf("%s is not tried", code)
		}
	}
	noReloads(t, l.envoy)
}

// spend calls until the code says that no more is left.
func (l *lab) spend(t *testing.T, partner, path, code string) {
	t.Helper()
	poll(t, partner+" cannot spend what it has", func() bool { return l.call(t, "plain", partner, path).outcome() == code })
}

func (c grpcCall) check(t *testing.T, l *lab) {
	t.Helper()
	connection, err := grpc.NewClient("passthrough:///"+l.listeners[orDefault(c.listener, "plain")],
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(orDefault(c.host, corpus.SandboxHost)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, key := range c.keys {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-api-key", key)
	}
	err = connection.Invoke(ctx, orDefault(c.method, "/payments.Payments/Pay"), &emptypb.Empty{}, &emptypb.Empty{})
	got, _ := status.FromError(err)
	info := c.want.Info()
	if want, _ := strconv.Atoi(info.GRPC); got.Code() != codes.Code(want) || got.Message() != info.Name+": "+info.Detail {
		t.Errorf("%s: the client got %v, want %s and %q", c.want, err, codes.Code(want), info.Detail)
	}
}

// grpcHead is the head of a gRPC call, but with GET.
type grpcHead struct {
	want                      policy.Code
	listener, path, host, key string
}

// check asks over HTTP/2.
func (c grpcHead) check(t *testing.T, l *lab) {
	t.Helper()
	for _, contentType := range []string{"application/grpc", "application/grpc+proto"} {
		r := l.newRequest(t.Context(), t, http.MethodGet, c.listener, "", c.path, nil)
		r.Host = c.host
		r.Header.Set("X-Api-Key", c.key)
		r.Header.Set("Content-Type", contentType)
		response, err := h2Client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body := bodyOf(t, response)
		h := response.Header
		if response.StatusCode != http.StatusOK || h.Get("Grpc-Status") != c.want.Info().GRPC || h.Get("Grpc-Message") == "" || body != "" {
			t.Errorf("%s as %s: %d %v %s, want grpc-status %s", c.want, contentType, response.StatusCode, h, body, c.want.Info().GRPC)
		}
	}
}
