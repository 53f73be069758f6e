// Package soak keeps an estate under mixed traffic while its proxies, managers
// and database are killed and its policy changes, and judges every answer
// afterwards. `make soak` runs it for ten minutes; `make test` for half a minute.
package soak
