//go:build !linux

package mongod

import "syscall"

// Outside Linux nothing ties mongod's life to this process's; Stop ends it.
func endWithParent() *syscall.SysProcAttr { return nil }

func holdThread() (release func()) { return func() {} }
