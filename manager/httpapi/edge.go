package httpapi

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
)

// exchange makes an endpoint of one of the edge calls, whose bodies are in the
// encoding of filters/wire in both directions.
func (a *api) exchange(call func(context.Context, []byte) ([]byte, error)) func(*gin.Context) error {
	return func(c *gin.Context) error {
		body, _, err := readBody(c, maxEdgeBody, "application/octet-stream")
		if err != nil {
			return err
		}
		reply, err := call(c.Request.Context(), body)
		if err != nil {
			return err
		}
		c.Data(http.StatusOK, "application/octet-stream", reply)
		return nil
	}
}
