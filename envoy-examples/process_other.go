//go:build !linux

package envoyexamples

import "syscall"

// Outside Linux nothing ties Envoy's life to this process's; Stop and the context end it.
func endWithParent() *syscall.SysProcAttr { return nil }

func holdThread() (release func()) { return func() {} }
