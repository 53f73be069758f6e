package testharness

import "sync"

// sharedData is the proxy's shared data: one map per vm_id
// (src/shared_data.cc).
type sharedData struct {
	mu      sync.Mutex
	values  map[string]map[string]sharedValue
	nextCAS uint32
}

type sharedValue struct {
	data []byte
	cas  uint32
}

func (s *sharedData) init() { s.values, s.nextCAS = map[string]map[string]sharedValue{}, 1 }

func (s *sharedData) get(vmID, key string) (sharedValue, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[vmID][key]
	return v, ok
}

// set writes a value. A cas of 0 overwrites blindly; another must be that of
// the present value, but creates a key that is missing, whatever it is.
func (s *sharedData) set(vmID, key string, data []byte, cas uint32) status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values[vmID] == nil {
		s.values[vmID] = map[string]sharedValue{}
	}
	if v, ok := s.values[vmID][key]; ok && cas != 0 && cas != v.cas {
		return statusCASMismatch
	}
	s.values[vmID][key] = sharedValue{data: data, cas: s.nextCAS}
	if s.nextCAS++; s.nextCAS == 0 {
		s.nextCAS = 1
	}
	return statusOK
}

// SharedData reads a value that guests share under a vm_id.
func (p *Proxy) SharedData(vmID, key string) (value []byte, ok bool) {
	v, ok := p.shared.get(vmID, key)
	return append([]byte(nil), v.data...), ok
}

// SharedDataKeys lists the keys under a vm_id, in no order.
func (p *Proxy) SharedDataKeys(vmID string) []string {
	p.shared.mu.Lock()
	defer p.shared.mu.Unlock()
	keys := make([]string, 0, len(p.shared.values[vmID]))
	for key := range p.shared.values[vmID] {
		keys = append(keys, key)
	}
	return keys
}

// sharedQueues are the proxy's shared queues (src/shared_queue.cc).
type sharedQueues struct {
	mu     sync.Mutex
	tokens map[queueName]uint32
	queues map[uint32]*sharedQueue
}

type queueName struct{ vmID, name string }

// sharedQueue knows whom to wake: the context that registered it last.
type sharedQueue struct {
	thread    *thread
	vmKey     vmKey
	contextID uint32
	items     [][]byte
}

func (q *sharedQueues) register(name queueName, t *thread, key vmKey, contextID uint32) uint32 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.tokens == nil {
		q.tokens, q.queues = map[queueName]uint32{}, map[uint32]*sharedQueue{}
	}
	token, ok := q.tokens[name]
	if !ok {
		token = uint32(len(q.tokens) + 1)
		q.tokens[name] = token
		q.queues[token] = &sharedQueue{}
	}
	queue := q.queues[token] // what is in it stays
	queue.thread, queue.vmKey, queue.contextID = t, key, contextID
	return token
}

func (q *sharedQueues) resolve(name queueName) (token uint32, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	token, ok = q.tokens[name]
	return token, ok
}

// enqueue appends an item and wakes the registered context on its thread. The
// VM is looked up there by its key, so that a VM that replaced a failed one is
// woken in its place, if it has a context of that id.
func (q *sharedQueues) enqueue(token uint32, item []byte) status {
	q.mu.Lock()
	queue, ok := q.queues[token]
	if !ok {
		q.mu.Unlock()
		return statusNotFound
	}
	queue.items = append(queue.items, item)
	t, key, id := queue.thread, queue.vmKey, queue.contextID
	q.mu.Unlock()
	t.loop.post(func() {
		if v := t.vms[key]; v != nil {
			if c := v.contexts[id]; c != nil {
				c.onQueueReady(token)
			}
		}
	})
	return statusOK
}

func (q *sharedQueues) dequeue(token uint32) ([]byte, status) {
	q.mu.Lock()
	defer q.mu.Unlock()
	queue, ok := q.queues[token]
	if !ok {
		return nil, statusNotFound
	}
	if len(queue.items) == 0 {
		return nil, statusEmpty
	}
	item := queue.items[0]
	queue.items = queue.items[1:]
	return item, statusOK
}
