package edge

import (
	"errors"
	"strings"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// Filter is one entry of a host's filter chain: which steps of a decision it does.
type Filter struct {
	RootID   string
	Steps    []Step
	Trailers func(*Stream) // sees the request's trailers; may be nil
	Passed   func(*Stream) // runs when the filter lets a request through; may be nil
	// Counts says that it is the last of the filters: it counts the request
	// when it ends, from the decision of whichever filter made it.
	Counts bool
}

// Step is one filter's part of a decision.
type Step struct {
	Needs policy.Stage // how far the decision must have come
	// Run goes on with the stream's decision, and leaves its code at Undecided
	// where nothing speaks against the request. It returns true to be run again
	// once the stream has got the lease that it waits for.
	Run func(*Stream) (waits bool)
}

// Register makes a module of filters. Call it in an init function. A root id
// that is none of theirs gets a filter that refuses every request.
func Register(filters ...Filter) {
	proxywasm.SetPanicHandler(answerPanic)
	proxywasm.SetPluginContext(func(contextID uint32) types.PluginContext {
		return newPlugin(contextID, strings.Clone(proxywasm.PluginRootID()), filters)
	})
}

// Plugin is the root context of a filter.
type Plugin struct {
	types.DefaultPluginContext
	contextID uint32
	filter    Filter
	config    Config
	edge      *Edge
	problem   string // why it refuses everything; empty while it does its work
	free      []*Stream
	problems  problems
}

func newPlugin(contextID uint32, rootID string, filters []Filter) *Plugin {
	p := &Plugin{contextID: contextID, problem: "it is not configured yet", config: Config{ErrorsURL: DefaultErrorsURL}}
	known := ""
	for _, f := range filters {
		if f.RootID == rootID {
			p.filter = f
			return p
		}
		known += " " + f.RootID
	}
	p.filter.Counts = true
	p.problem = `the root id "` + rootID + `" is none of this module's; set root_id to one of:` + known
	return p
}

// OnPluginStart reads the configuration. It always succeeds: a plugin that is
// configured wrongly refuses every request instead, since a host may stop when
// it does not.
func (p *Plugin) OnPluginStart(int) types.OnPluginStartStatus {
	if p.filter.RootID == "" {
		p.refuseAll(p.problem)
		return types.OnPluginStartStatusOK
	}
	raw, err := proxywasm.GetPluginConfiguration()
	if err != nil && !errors.Is(err, proxywasm.ErrNotFound) {
		p.refuseAll("the configuration cannot be read: " + err.Error())
		return types.OnPluginStartStatusOK
	}
	config, err := ParseConfig(string(raw), proxywasm.Getenv)
	if err != nil {
		p.refuseAll("the configuration is wrong: " + err.Error())
		return types.OnPluginStartStatusOK
	}
	p.config, p.problem, p.problems = config, "", problems{}
	if p.edge != nil {
		p.edge.detach(p)
	}
	p.edge = attach(p)
	return types.OnPluginStartStatusOK
}

func (p *Plugin) refuseAll(why string) {
	p.problem = why
	proxywasm.LogCritical("partnergate " + p.filter.RootID + " refuses every request: " + why)
	count("partnergate_config_errors", 1)
}

// OnTick gives the edge time to work.
func (p *Plugin) OnTick() {
	if p.edge != nil && p.edge.ownedBy(p) {
		p.edge.tick()
	}
}

// OnQueueReady takes what other VMs sent.
func (p *Plugin) OnQueueReady(queueID uint32) {
	if p.edge != nil && p.edge.ownedBy(p) {
		p.edge.receive(queueID)
	}
}

// OnPluginDone lets another plugin drive the edge.
func (p *Plugin) OnPluginDone() bool {
	if p.edge != nil {
		p.edge.detach(p)
	}
	return true
}

// NewHttpContext takes a stream from the pool.
func (p *Plugin) NewHttpContext(contextID uint32) types.HttpContext {
	var s *Stream
	if last := len(p.free) - 1; last >= 0 {
		s = p.free[last]
		p.free = p.free[:last]
	} else {
		s = &Stream{plugin: p}
	}
	s.id, s.edge = contextID, p.edge
	if s.edge != nil {
		s.edge.streams++
	}
	return s
}
