package policy

// Versions of the snapshot's form: of manifest, delta and parts. A filter reads
// the one before its newest too, and the manager writes only what the filters
// of the release before read as well, so that manager and filters may be one
// release apart, either way. docs/operations.md has the steps of a change.
const (
	// SchemaVersion is the newest that is read; a filter announces it.
	SchemaVersion = 1
	// OldestSchema is the oldest that is read: the one before SchemaVersion,
	// once there is one.
	OldestSchema = 1
	// SchemaWritten is what the manager writes.
	SchemaWritten = 1
)

// readsSchema tells whether bytes of that schema version are read here.
func readsSchema(v uint8) bool { return v >= OldestSchema && v <= SchemaVersion }

// Readable tells whether filters that announce a schema version read what is
// written here: they read that version and the one before.
func Readable(announced uint8) bool {
	return announced == SchemaWritten || announced == SchemaWritten+1
}
