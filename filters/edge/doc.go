// Package edge is what the filters share: the stream that a request passes
// them on, and the way to the manager: one policy, one set of leases and one
// account of usage for each proxy process, whatever the number of its workers.
//
// A proxy has a VM for each worker and one for its main thread. VMs share
// nothing but the host's shared data and queues. One of them, the leader,
// talks to the manager:
//
//	manager ── watch, parts ──▶ leader ── shared data ──▶ every VM swaps its snapshot
//	manager ◀── sync ────────── leader ◀── queue ──────── every VM's usage and wants
//	manager ── grants ────────▶ leader ── shared data ──▶ ledgers, spent by compare-and-swap
//
// Nothing on the path of a request calls the manager or allocates. All of it
// runs in callbacks of one thread: no goroutines, no locks.
package edge
