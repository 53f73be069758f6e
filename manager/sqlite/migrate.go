package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

// applicationID marks the file as ours in its header: "PGAT".
const applicationID = 0x50474154

//go:embed schema/*.sql
var schema embed.FS

// migrations are the scripts in the order of their numbers, the first being number 1.
func migrations() ([]string, error) {
	names, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return nil, err
	}
	scripts := make([]string, len(names))
	for i, name := range names {
		if want := fmt.Sprintf("schema/%04d.sql", i+1); name != want {
			return nil, fmt.Errorf("the schema's files are not numbered without gaps: %s stands where %s should", name, want)
		}
		script, err := schema.ReadFile(name)
		if err != nil {
			return nil, err
		}
		scripts[i] = string(script)
	}
	return scripts, nil
}

// migrate brings the schema up to date, all or nothing. It refuses what it
// does not know: a newer schema, and another program's database.
func migrate(ctx context.Context, db *sql.DB) error {
	scripts, err := migrations()
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	version, err := schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	if version > len(scripts) {
		return fmt.Errorf("it was written by a newer version of Partnergate (its schema is number %d, this version knows up to %d); use that version, or put a backup there that was made before the upgrade", version, len(scripts))
	}
	if version == len(scripts) {
		return nil
	}
	for i, script := range scripts[version:] {
		if _, err := tx.ExecContext(ctx, script); err != nil {
			return fmt.Errorf("change the schema to number %d: %w", version+i+1, err)
		}
	}
	marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(scripts))
	if _, err := tx.ExecContext(ctx, marks); err != nil {
		return fmt.Errorf("mark the schema as number %d: %w", len(scripts), err)
	}
	return tx.Commit()
}

// schemaVersion is 0 for an empty database.
func schemaVersion(ctx context.Context, tx *sql.Tx) (int, error) {
	var application, version, tables int
	err := errors.Join(
		tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application),
		tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version),
		tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables),
	)
	if err != nil {
		return 0, err
	}
	if application != applicationID && (application != 0 || version != 0 || tables != 0) {
		return 0, errors.New("it is the database of another program; choose another path")
	}
	return version, nil
}
