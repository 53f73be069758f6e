package testharness

func hostGetSharedData(v *vm, p params) status {
	key, ok := v.readString(p.u32(0), p.u32(1))
	if !ok {
		return statusInvalidMemoryAccess
	}
	value, found := v.thread.proxy.shared.get(v.filter.vmID, key)
	if !found {
		return statusNotFound
	}
	if s := v.hand(value.data, p.u32(2), p.u32(3)); s != statusOK {
		return s
	}
	return v.writeUint32s(p.u32(4), value.cas)
}

func hostSetSharedData(v *vm, p params) status {
	key, ok1 := v.readString(p.u32(0), p.u32(1))
	value, ok2 := v.read(p.u32(2), p.u32(3))
	if !ok1 || !ok2 {
		return statusInvalidMemoryAccess
	}
	return v.thread.proxy.shared.set(v.filter.vmID, key, value, p.u32(4))
}

// hostRegisterSharedQueue registers the root context: it is the one that is
// told when something is in the queue.
func hostRegisterSharedQueue(v *vm, p params) status {
	name, ok := v.readString(p.u32(0), p.u32(1))
	if !ok {
		return statusInvalidMemoryAccess
	}
	queue := queueName{v.filter.vmID, name}
	token := v.thread.proxy.queues.register(queue, v.thread, v.key, v.effective().root.id)
	return v.writeUint32s(p.u32(2), token)
}

func hostResolveSharedQueue(v *vm, p params) status {
	vmID, ok1 := v.readString(p.u32(0), p.u32(1))
	name, ok2 := v.readString(p.u32(2), p.u32(3))
	if !ok1 || !ok2 {
		return statusInvalidMemoryAccess
	}
	if vmID == "" {
		vmID = v.filter.vmID
	}
	token, found := v.thread.proxy.queues.resolve(queueName{vmID, name})
	if !found {
		return statusNotFound
	}
	return v.writeUint32s(p.u32(4), token)
}

func hostEnqueueSharedQueue(v *vm, p params) status {
	item, ok := v.read(p.u32(1), p.u32(2))
	if !ok {
		return statusInvalidMemoryAccess
	}
	return v.thread.proxy.queues.enqueue(p.u32(0), item)
}

func hostDequeueSharedQueue(v *vm, p params) status {
	item, s := v.thread.proxy.queues.dequeue(p.u32(0))
	if s != statusOK {
		return s
	}
	return v.hand(item, p.u32(1), p.u32(2))
}

func hostDefineMetric(v *vm, p params) status {
	name, ok := v.readString(p.u32(1), p.u32(2))
	if !ok {
		return statusInvalidMemoryAccess
	}
	if p.u32(0) > uint32(Histogram) {
		return statusBadArgument
	}
	return v.writeUint32s(p.u32(3), v.defineMetric(MetricKind(p.u32(0)), name))
}

func hostIncrementMetric(v *vm, p params) status { return v.incrementMetric(p.u32(0), int64(p[1])) }

func hostRecordMetric(v *vm, p params) status { return v.recordMetric(p.u32(0), p[1]) }

func hostGetMetric(v *vm, p params) status {
	value, s := v.getMetric(p.u32(0))
	if s != statusOK {
		return s
	}
	if !v.memory.WriteUint64Le(p.u32(1), value) {
		return statusInvalidMemoryAccess
	}
	return statusOK
}
