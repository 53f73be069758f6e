// Command generate writes the rows that tests recorded into docs/reliability.md.
// Its argument is the directory where they are; -prune takes rows out that no
// test recorded.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/partnergate/partnergate/docs/reliability"
)

func main() {
	prune := flag.Bool("prune", false, "keep only rows that are in the directory")
	flag.Parse()
	if err := run(flag.Arg(0), *prune); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(directory string, prune bool) error {
	rows, err := reliability.Read(directory)
	if err != nil {
		return err
	}
	page, err := os.ReadFile(reliability.Page())
	if err != nil {
		return err
	}
	text := string(page)
	if prune {
		before, rest, _ := strings.Cut(text, reliability.Begin)
		_, after, _ := strings.Cut(rest, reliability.End)
		text = before + reliability.Begin + reliability.End + after
	}
	renewed, err := reliability.Renew(text, rows)
	if err != nil {
		return err
	}
	return os.WriteFile(reliability.Page(), []byte(renewed), 0o644)
}
