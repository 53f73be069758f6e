package httpapi

import (
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

// importCredentials takes keys over by their hashes, all or nothing.
func (a *api) importCredentials(c *gin.Context) error {
	q := readQuery(c, "dry_run")
	dryRun := q.flag("dry_run")
	if q.err != nil {
		return q.err
	}
	body, _, done, err := a.readPolicy(c, "application/json")
	if err != nil {
		return err
	}
	defer done()
	if err := checkJSON(body); err != nil {
		return err
	}
	var list rest.Import
	if err := invalidJSON(strictDecoder(body).Decode(&list), &list); err != nil {
		return err
	}
	keys, err := readImported(list.Credentials)
	if err != nil {
		return err
	}
	result, err := a.service.ImportCredentials(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), keys, dryRun)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, result)
	return nil
}

// readImported reads the hashes; all wrong ones come back together.
func readImported(given []rest.ImportedKey) ([]manager.ImportedKey, error) {
	keys := make([]manager.ImportedKey, len(given))
	wrong := &manager.Error{Code: manager.CodeInvalid, Message: "the keys cannot be imported"}
	for i, g := range given {
		keys[i] = manager.ImportedKey{ID: g.ID, Partner: g.Partner, Application: g.Application, Environment: g.Environment, ExpiresAt: g.ExpiresAt}
		digest, err := hex.DecodeString(g.SHA256)
		if err != nil || len(digest) != len(keys[i].Digest) {
			wrong.Fields = append(wrong.Fields, manager.Field{Path: fmt.Sprintf("credentials[%d].sha256", i),
				Message: "is no SHA-256; write 64 hexadecimal digits, such as printf %s KEY | sha256sum gives"})
		}
		copy(keys[i].Digest[:], digest)
	}
	if len(wrong.Fields) > 0 {
		return nil, wrong
	}
	return keys, nil
}
