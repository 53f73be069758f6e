package mongod

import (
	"runtime"
	"syscall"
)

// endWithParent makes the kernel kill mongod when this process dies, even by
// SIGKILL. The kernel counts the thread that started it as the parent, so that
// thread must live as long: see holdThread.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

func holdThread() (release func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
