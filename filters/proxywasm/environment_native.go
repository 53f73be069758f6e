//go:build !wasip1

package proxywasm

import "strings"

// Getenv returns the environment variable that the host gives to the VM, or an empty string.
func Getenv(name string) string {
	return environmentValue([]byte(strings.Join(host.Environment(), "\x00")), name)
}
