package estate

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

// The files beside the resources.
const (
	ImportFile  = "keys.csv"    // what `keys import` takes over: digests, no secrets
	SecretsFile = "secrets.csv" // id and key, to call with
)

// partnersPerFile keeps files below what the manager reads of one.
const partnersPerFile = 500

// Write writes the estate into a folder, which is made: the resources below policy/, the keys beside it. It writes over what is there.
func (e *Estate) Write(folder string) error {
	files := map[string]*bytes.Buffer{}
	file, partners := "", -1
	for _, r := range e.Resources {
		switch r.(type) {
		case *manager.Plan:
			file = "plans.yaml"
		case *manager.Product:
			file = "products.yaml"
		case *manager.Partner:
			partners++
			file = fmt.Sprintf("partners-%03d.yaml", partners/partnersPerFile)
		}
		document, err := manager.WriteDocument(r)
		if err != nil {
			return fmt.Errorf("write %s: %w", r.Ref(), err)
		}
		path := filepath.Join("policy", file)
		if files[path] == nil {
			files[path] = &bytes.Buffer{}
		} else {
			files[path].WriteString("---\n")
		}
		files[path].Write(document)
	}
	files[ImportFile], files[SecretsFile] = e.keyFiles()
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if name == SecretsFile {
			mode = 0o600
		}
		if err := os.WriteFile(path, content.Bytes(), mode); err != nil {
			return err
		}
	}
	return nil
}

func (e *Estate) keyFiles() (imported, secrets *bytes.Buffer) {
	imported, secrets = &bytes.Buffer{}, &bytes.Buffer{}
	imported.WriteString("id,partner,application,environment,sha256\n")
	secrets.WriteString("id,key\n")
	for _, k := range e.Keys {
		digest := policy.KeyDigest(k.Key)
		fmt.Fprintf(imported, "%s,%s,%s,%s,%s\n", k.ID, k.Partner, k.Application, k.Environment, hex.EncodeToString(digest[:]))
		fmt.Fprintf(secrets, "%s,%s\n", k.ID, k.Key)
	}
	return imported, secrets
}

// Imports are the keys as the manager takes them over.
func (e *Estate) Imports() []manager.ImportedKey {
	keys := make([]manager.ImportedKey, len(e.Keys))
	for i, k := range e.Keys {
		keys[i] = manager.ImportedKey{ID: k.ID, Partner: k.Partner, Application: k.Application, Environment: k.Environment, Digest: policy.KeyDigest(k.Key)}
	}
	return keys
}
