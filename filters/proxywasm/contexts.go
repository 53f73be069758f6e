package proxywasm

import (
	"slices"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// Recycler is implemented by HttpContexts that their plugin uses again for another stream. Recycle is
// called once, when the host deletes the stream: nothing refers to the context any more. It may be
// half-changed, if a callback of it panicked: a context is set up anew for its next stream.
type Recycler interface {
	Recycle()
}

// stream is one HTTP stream of a plugin; http is nil if its context could not be made.
type stream struct {
	id   uint32 // 0: the place is free
	root uint32
	http types.HttpContext
}

// streams finds streams by context id. It is a table with linear probing that moves later entries
// back when one is removed: unlike a map it makes no garbage and never degrades, however many
// streams come and go. Context ids count upwards, so that they spread without hashing.
type streams struct {
	places []stream // a power of two
	count  int
}

// put adds the stream, or replaces the one of the same id.
func (s *streams) put(entry stream) {
	if 4*(s.count+1) > 3*len(s.places) {
		s.grow()
	}
	at := s.place(entry.id)
	if s.places[at].id == 0 {
		s.count++
	}
	s.places[at] = entry
}

// get returns the stream of the id, or nil. The pointer is valid until the next put or remove.
func (s *streams) get(id uint32) *stream {
	if len(s.places) == 0 || id == 0 {
		return nil
	}
	at := s.place(id)
	if s.places[at].id == 0 {
		return nil
	}
	return &s.places[at]
}

// remove takes the stream of the id out and returns it; a zero stream if there is none.
func (s *streams) remove(id uint32) stream {
	entry := s.get(id)
	if entry == nil {
		return stream{}
	}
	removed := *entry
	mask := uint32(len(s.places) - 1)
	hole := s.place(id)
	for next := (hole + 1) & mask; s.places[next].id != 0; next = (next + 1) & mask {
		if home := s.places[next].id & mask; (next-home)&mask >= (next-hole)&mask {
			s.places[hole] = s.places[next]
			hole = next
		}
	}
	s.places[hole] = stream{}
	s.count--
	return removed
}

// place returns the index of the id, or of the free place where it belongs.
func (s *streams) place(id uint32) uint32 {
	mask := uint32(len(s.places) - 1)
	at := id & mask
	for s.places[at].id != 0 && s.places[at].id != id {
		at = (at + 1) & mask
	}
	return at
}

func (s *streams) grow() {
	old := s.places
	s.places = make([]stream, max(64, 2*len(old)))
	s.count = 0
	for i := range old {
		if old[i].id != 0 {
			s.put(old[i])
		}
	}
}

// plugin is a root context; context is nil if it could not be made.
type plugin struct {
	id      uint32
	context types.PluginContext
}

// plugins are the root contexts of the VM: one for each filter and listener, so few.
type plugins []plugin

func (p plugins) get(id uint32) types.PluginContext {
	for i := range p {
		if p[i].id == id {
			return p[i].context
		}
	}
	return nil
}

// remove reports whether there was a plugin of the id.
func (p *plugins) remove(id uint32) bool {
	before := len(*p)
	*p = slices.DeleteFunc(*p, func(entry plugin) bool { return entry.id == id })
	return len(*p) < before
}

// callout is an HTTP call that the host has not answered yet.
type callout struct {
	id       uint32
	caller   uint32
	callback func(numHeaders, bodySize, numTrailers int)
}

// callouts are few: a plugin has a handful of calls under way.
type callouts []callout

// take removes and returns the callout of the id.
func (c *callouts) take(id uint32) (callout, bool) {
	for i, entry := range *c {
		if entry.id == id {
			*c = slices.Delete(*c, i, i+1)
			return entry, true
		}
	}
	return callout{}, false
}

// forget removes the callouts of a context that ended: nobody is left for their answers.
func (c *callouts) forget(caller uint32) {
	*c = slices.DeleteFunc(*c, func(entry callout) bool { return entry.caller == caller })
}
