package proxywasm

import "strings"

// environmentValue finds a variable among texts of the form NAME=value, each ended by a NUL.
func environmentValue(texts []byte, name string) string {
	for rest := string(texts); rest != ""; {
		entry, after, _ := strings.Cut(rest, "\x00")
		if key, value, found := strings.Cut(entry, "="); found && key == name {
			return value
		}
		rest = after
	}
	return ""
}
