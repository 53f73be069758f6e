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
	} {
		seen[c.want] = true
		c.check(t, l)
	}
	// Their operations are asked for with GET, which no gRPC client sends: TestRefusalsOfGRPCCalls has them.
	for _, c := range []struct {
		want                policy.Code
		partner, path, host string
	}{
		{policy.LimitExceeded, spent, "/lab/ping", labHost},
		{policy.CapacityExceeded, "lab-capacity", "/lab/scarce", labHost},
		{policy.SubscriptionSuspended, "hooli", "/v1/pay", corpus.SandboxHost},
	} {
		seen[c.want] = true
		key := l.keys[c.partner]
		if key == "" {
			key = keys[c.partner]
		}
		checkGRPCHead(t, l, c.path, c.host, key, c.want)
	}
	for _, code := range policy.Refusals() {
		if !seen[code] && code != policy.PolicyStale && code != policy.LimitUnavailable { // a minute's silence, and a manager that is away: in filters/edge
			t.Errorf("%s is not tried", code)
		}
	}
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

// checkGRPCHead asks over HTTP/2 as for gRPC, with GET.
func checkGRPCHead(t *testing.T, l *lab, path, host, key string, want policy.Code) {
	t.Helper()
	r := l.newRequest(t.Context(), t, http.MethodGet, "plain", "", path, nil)
	r.Host = host
	r.Header.Set("X-Api-Key", key)
	r.Header.Set("Content-Type", "application/grpc")
	response, err := h2Client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Grpc-Status") != want.Info().GRPC {
		t.Errorf("%s: %d %v, want grpc-status %s", want, response.StatusCode, response.Header, want.Info().GRPC)
	}
}
