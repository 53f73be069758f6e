package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/partnergate/partnergate/manager"
)

// etag is the strong entity tag of a revision.
func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// expectation is what a request's preconditions (RFC 9110, 13.1) ask of the
// stored resource.
type expectation struct {
	exists    bool    // If-Match: *
	absent    bool    // If-None-Match: *
	revisions []int64 // If-Match with tags; nil: any
}

// readExpectation reads If-Match and If-None-Match of a request that writes.
func readExpectation(r *http.Request) (expectation, error) {
	match := strings.Join(r.Header.Values("If-Match"), ",")
	none := strings.Join(r.Header.Values("If-None-Match"), ",")
	switch {
	case match != "" && none != "":
		return expectation{}, errBad("If-Match and If-None-Match contradict each other; send one of them")
	case none == "*":
		return expectation{absent: true}, nil
	case none != "":
		return expectation{}, errBad(`If-None-Match is %s; when writing it can only be * (create, never replace)`, none)
	case match == "*":
		return expectation{exists: true}, nil
	case match != "":
		revisions, err := readTags(match)
		return expectation{revisions: revisions}, err
	}
	return expectation{}, nil
}

// readTags reads a list of entity tags. One that was never ours stands for no revision.
func readTags(header string) ([]int64, error) {
	tags := []int64{}
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimSpace(tag)
		weak, ok := strings.CutPrefix(tag, "W/")
		if len(weak) < 2 || weak[0] != '"' || weak[len(weak)-1] != '"' {
			return nil, errBad(`If-Match is %s; send the ETag of an answer with its quotes, such as "7", or *`, header)
		}
		n, err := strconv.ParseInt(weak[1:len(weak)-1], 10, 64)
		if err == nil && n > 0 && !ok { // a weak tag matches nothing when writing
			tags = append(tags, n)
		}
	}
	return tags, nil
}

// expected is the one revision to hand to the domain, given the stored one (0: none).
func (e expectation) expected(stored int64) (int64, error) {
	switch {
	case e.absent && stored != 0:
		return 0, errPrecondition("it exists already, with the ETag %s; leave If-None-Match out to replace it", etag(stored))
	case e.absent:
		return manager.MustNotExist, nil
	case e.exists && stored == 0:
		return 0, errPrecondition("it does not exist, but If-Match asks that it does")
	case e.exists, e.revisions == nil:
		return manager.AnyRevision, nil
	}
	for _, revision := range e.revisions {
		if revision == stored {
			return revision, nil
		}
	}
	if stored == 0 {
		return 0, errPrecondition("it does not exist, but If-Match asks that it does")
	}
	return 0, errPrecondition("it was changed meanwhile: its ETag is now %s; read it again and decide anew", etag(stored))
}

// any is true where nothing is asked.
func (e expectation) any() bool { return !e.exists && !e.absent && e.revisions == nil }

// notModified is true where If-None-Match of a GET names the revision.
func notModified(r *http.Request, revision int64) bool {
	for tag := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == etag(revision) {
			return true
		}
	}
	return false
}
