package httpapi

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

// openAPIDocument is kept by hand; a test compares it with the routes both ways.
//
//go:embed openapi.json
var openAPIDocument []byte

func (a *api) openAPI(c *gin.Context) error {
	c.Data(http.StatusOK, "application/json; charset=utf-8", openAPIDocument)
	return nil
}
