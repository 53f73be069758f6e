package manager_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

func TestGatewaysThatAreNotCalled(t *testing.T) {
	s := newService(t, newClock())
	for gateway, want := range map[string]string{
		"http://169.254.169.254":                 "a link-local address",
		"http://169.254.169.254:80/latest":       "a link-local address",
		"http://[fe80::1%25eth0]:8080":           "a link-local address",
		"http://[::ffff:169.254.169.254]":        "a link-local address",
		"http://[64:ff9b::169.254.169.254]":      "a link-local address",
		"https://[fd00:ec2::254]":                "a cloud's metadata",
		"http://100.100.100.200":                 "a cloud's metadata",
		"http://168.63.129.16:32526/vmSettings":  "a cloud's metadata",
		"http://192.0.0.192/opc/v2/":             "a cloud's metadata",
		"http://0.0.0.0:10000":                   "the unspecified address",
		"http://[::]:10000":                      "the unspecified address",
		"http://224.0.0.1":                       "a multicast address",
		"http://[ff02::1]":                       "a multicast address",
		"http://127.0.0.1:10000":                 "",
		"http://[::1]:10000":                     "",
		"http://10.0.0.8":                        "",
		"http://192.168.1.1":                     "",
		"https://[fd12:3456::1]":                 "",
		"https://gateway.internal.example.test/": "",
	} {
		r := &manager.Environment{Metadata: manager.Metadata{Name: "staging"}, Spec: manager.EnvironmentSpec{Gateway: gateway}}
		_, _, err := s.Put(t.Context(), admin, r, manager.AnyRevision)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", gateway, err)
		case want == "":
		case manager.CodeOf(err) != manager.CodeInvalid || !strings.Contains(err.Error(), "spec.gateway: ") || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "give the gateway's own address"):
			t.Errorf("%s: %v", gateway, err)
		}
	}
}

func TestAddressesInsideOthers(t *testing.T) {
	for address, is := range map[string]bool{"::ffff:10.0.0.1": false, "64:ff9b::10.0.0.1": false, "64:ff9b::a9fe:a9fe": true, "fe80::1%eth0": true} {
		if kind := manager.NoGatewayAddress(netip.MustParseAddr(address)); (kind != "") != is {
			t.Errorf("%s is %q", address, kind)
		}
	}
}
