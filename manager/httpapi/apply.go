package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/documents"
	"github.com/partnergate/partnergate/manager/rest"
)

// apply takes {"resources": […]} as JSON, or a stream of YAML documents, and
// makes them the policy on behalf of files.
func (a *api) apply(c *gin.Context) error {
	q := readQuery(c, "prune", "dry_run")
	options := manager.ApplyOptions{Prune: q.flag("prune"), DryRun: q.flag("dry_run")}
	if q.err != nil {
		return q.err
	}
	body, contentType, done, err := a.readPolicy(c, "application/json", "application/yaml", "application/x-yaml", "text/yaml")
	if err != nil {
		return err
	}
	defer done()
	resources, err := readResources(body, contentType)
	if err != nil {
		return err
	}
	actor := principal(c).Actor(manager.OwnerFile)
	result, err := a.service.Apply(c.Request.Context(), actor, resources, options)
	if err != nil {
		return err
	}
	if result.Results == nil {
		result.Results = []manager.ApplyEntry{}
	}
	c.JSON(http.StatusOK, result)
	return nil
}

func readResources(body []byte, contentType string) ([]manager.Resource, error) {
	if contentType == "application/json" {
		if err := checkJSON(body); err != nil {
			return nil, err
		}
		return readResourceList(body)
	}
	read, err := manager.ReadDocuments("body", body, nil)
	if err != nil {
		return nil, err
	}
	return documents.Resources(read), nil
}

func readResourceList(body []byte) ([]manager.Resource, error) {
	var list struct {
		Resources []json.RawMessage `json:"resources"`
	}
	if err := invalidJSON(strictDecoder(body).Decode(&list), &list); err != nil {
		return nil, err
	}
	resources := make([]manager.Resource, len(list.Resources))
	for i, document := range list.Resources {
		r, err := readDocument(document)
		if err != nil {
			return nil, within(fmt.Sprintf("resources[%d]", i), err)
		}
		resources[i] = r
	}
	return resources, nil
}

func readDocument(document []byte) (manager.Resource, error) {
	var head struct {
		Kind manager.Kind `json:"kind"`
	}
	if err := json.Unmarshal(document, &head); err != nil {
		return nil, &manager.Error{Code: manager.CodeInvalid, Message: "a resource must be a JSON object with apiVersion, kind, metadata and spec"}
	}
	return manager.ReadResource(head.Kind, document)
}

// within puts place in front of the fields of an invalid input.
func within(place string, err error) error {
	var e *manager.Error
	if !errors.As(err, &e) {
		return err
	}
	moved := *e
	moved.Fields = nil
	for _, f := range e.Fields {
		f.Path = place + "." + f.Path
		moved.Fields = append(moved.Fields, f)
	}
	if len(e.Fields) == 0 {
		moved.Fields = []manager.Field{{Path: place, Message: e.Message}}
	}
	return &moved
}

// maxPolicyWait bounds one wait for proxies; who wants to wait longer asks again.
const maxPolicyWait = 25 * time.Second

// policy answers at once, or once all live proxies decide by the version
// wait_for, or after timeout with those that do not yet.
func (a *api) policy(c *gin.Context) error {
	q := readQuery(c, "wait_for", "timeout")
	version := q.number("wait_for", 1, 1<<53, 0)
	timeout := time.Duration(q.number("timeout", 0, int64(maxPolicyWait/time.Second), int64(maxPolicyWait/time.Second))) * time.Second
	if q.err != nil {
		return q.err
	}
	if version == 0 {
		version, timeout = a.service.PolicyVersion(), 0
	}
	if current := a.service.PolicyVersion(); version > current {
		return errInvalid("wait_for", "is %d, but the newest version is %d", version, current)
	}
	behind, err := a.behind(c.Request.Context(), version, timeout)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, rest.Policy{PolicyVersion: a.service.PolicyVersion(), Behind: behind})
	return nil
}

// behind lists the live proxies that have not acknowledged version after timeout.
func (a *api) behind(ctx context.Context, version int64, timeout time.Duration) ([]rest.Proxy, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	views, err := a.service.AwaitAcknowledged(ctx, version)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	return answerOf(views, "", answerOfProxy).Items, nil
}
