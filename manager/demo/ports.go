package demo

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// Ports are where the parts listen on 127.0.0.1. 0 is any free port.
type Ports struct {
	Manager    int
	Gateway    int
	Payments   int
	Risk       int
	EnvoyAdmin int

	SecondManager int // used with MongoDB only
	MongoDB       int // of the mongod that the demo starts
}

// DefaultPorts are those of the Envoy examples.
var DefaultPorts = Ports{Manager: 8080, Gateway: 10000, Payments: 9001, Risk: 9002, EnvoyAdmin: 9901,
	SecondManager: 8081, MongoDB: 27117}

// Shift adds offset to all ports that are not 0.
func (p Ports) Shift(offset int) Ports {
	for _, port := range []*int{&p.Manager, &p.Gateway, &p.Payments, &p.Risk, &p.EnvoyAdmin, &p.SecondManager, &p.MongoDB} {
		if *port != 0 {
			*port += offset
		}
	}
	return p
}

// tried is a port that must be free.
type tried struct {
	name, flag string
	port       int
}

// check tries every port before anything starts, so that all that are taken
// are named at once.
func (p Ports) check(gateway string, managers int, mongodb bool) error {
	tries := []tried{
		{"manager", "--manager-port", p.Manager},
		{"gateway", "--gateway-port", p.Gateway},
		{"payments upstream", "--payments-port", p.Payments},
		{"risk upstream", "--risk-port", p.Risk},
	}
	if gateway == Envoy {
		tries = append(tries, tried{"Envoy's admin interface", "--envoy-admin-port", p.EnvoyAdmin})
	}
	if managers > 1 {
		tries = append(tries, tried{"second manager", "--second-manager-port", p.SecondManager})
	}
	if mongodb {
		tries = append(tries, tried{"mongod", "--mongodb-port", p.MongoDB})
	}
	var errs []string
	for _, t := range tries {
		listener, err := net.Listen("tcp", loopback(t.port))
		if err == nil {
			err = listener.Close()
		}
		if err != nil {
			errs = append(errs, p.explain(err, t.name, t.flag, t.port).Error())
		}
	}
	if errs == nil {
		return nil
	}
	return errors.New(strings.Join(errs, "\n") + "\na second demo beside the first needs a folder of its own, too: --port-offset takes another one by itself, where --data is not given")
}

// explain says which port is the trouble, how to find who has it, and what to do.
func (p Ports) explain(err error, name, flag string, port int) error {
	var number syscall.Errno
	switch {
	case errors.As(err, &number) && number == syscall.EADDRINUSE:
		return fmt.Errorf("port %d, for the %s, is taken by another process (`ss -ltnp 'sport = :%d'` or `lsof -i :%d` shows which); "+
			"end it, or give another port with %s, or move all ports with --port-offset 100", port, name, port, port, flag)
	case errors.As(err, &number):
		return fmt.Errorf("the %s cannot listen on port %d: %w; give another port with %s", name, port, number, flag)
	}
	return err
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
