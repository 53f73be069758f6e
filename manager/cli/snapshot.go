package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/server"
)

// exportSnapshot writes the policy in force for the filters' field bootstrap,
// signed with the edge tokens.
func (c *command) exportSnapshot(ctx context.Context, path string) error {
	url := firstOf(c.url, c.process.Getenv("PARTNERGATE_URL"), defaultURL)
	tokens := server.Settings{EdgeToken: c.process.Getenv(server.EdgeTokenVariable)}.EdgeTokens()
	if len(tokens) == 0 || len(tokens) > 255 {
		return fmt.Errorf("%s is not set; set it to the edge token of the manager at %s, with which the snapshot is fetched and signed;\n"+
			"while tokens are rotated set it to all that proxies have, separated by commas, a valid one first", server.EdgeTokenVariable, url)
	}
	api, err := client.New(url, tokens[0])
	if err != nil {
		return err
	}
	date := time.Now()
	snapshot, err := api.Snapshot(ctx)
	if err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString(policy.Bootstrap(snapshot, date.UnixMilli(), tokens))
	if err := writeWhole(path, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.process.Stdout, "%s has policy version %d as of %s, for %q in the filters' configuration\n",
		path, snapshot.Version(), date.UTC().Format(time.RFC3339), "bootstrap")
	return err
}

// writeWhole replaces a file at once, so that no reader finds half of it. It
// holds digests of keys, so others may not read it.
func writeWhole(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".snapshot-*")
	if err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // it is gone once it has its name
	_, err = f.WriteString(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	return nil
}
