package soak

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// sample is the size of a process at a time.
type sample struct {
	at          time.Time
	process     string // such as "manager 1"
	incarnation int
	resident    int // kB
	goroutines  int // of a manager
}

// watchSizes samples all processes until ctx ends.
func watchSizes(ctx context.Context, nodes []*node, slots []*slot) (samples []sample) {
	for {
		select {
		case <-ctx.Done():
			return samples
		case <-time.After(2 * time.Second):
		}
		for i, n := range nodes {
			if pid, incarnation, ok := n.process(); ok {
				s := sample{time.Now(), fmt.Sprintf("manager %d", i+1), incarnation, resident(pid), goroutines(ctx, n)}
				samples = append(samples, s)
			}
		}
		for i, s := range slots {
			if e := s.current(); e != nil {
				samples = append(samples, sample{time.Now(), fmt.Sprintf("Envoy %d", i+1), s.count(), resident(e.PID()), 0})
			}
		}
	}
}

// resident is the memory of a process in kB; 0 where it is gone.
func resident(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kB
		}
	}
	return 0
}

// goroutines asks a manager; 0 where it does not answer.
func goroutines(ctx context.Context, n *node) int {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.address+"/metrics", nil)
	if err != nil {
		return 0
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }() // it is only read
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			n, _ := strconv.ParseFloat(value, 64)
			return int(n)
		}
	}
	return 0
}

// growth compares a process's size in two spans of time; ok is false unless one process lived through both.
type growth struct {
	process            string
	before, after      int // kB
	threads, threadsTo int // goroutines
}

func grown(samples []sample, process string, fromA, toA, fromB, toB time.Time) (g growth, ok bool) {
	incarnations := map[int]bool{}
	mean := func(from, to time.Time) (kB, n int) {
		var sum, count, routines, asked int
		for _, s := range samples {
			if s.process == process && s.resident > 0 && s.at.After(from) && s.at.Before(to) {
				sum, count = sum+s.resident, count+1
				incarnations[s.incarnation] = true
				if s.goroutines > 0 {
					routines, asked = routines+s.goroutines, asked+1
				}
			}
		}
		return sum / max(count, 1), routines / max(asked, 1)
	}
	g.process = process
	g.before, g.threads = mean(fromA, toA)
	g.after, g.threadsTo = mean(fromB, toB)
	return g, len(incarnations) == 1 && g.before > 0 && g.after > 0
}

// collection is the size of a part of the store.
type collection struct {
	name           string
	documents      int64
	bytes, perItem int64
}

// storeSize asks the store how much is in it.
func storeSize(ctx context.Context, url, database string) (all []collection, err error) {
	c, err := mongo.Connect(options.Client().ApplyURI(url))
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Disconnect(context.WithoutCancel(ctx)) }() // it only read
	names, err := c.Database(database).ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		var stats struct {
			Count, Size int64
		}
		if err := c.Database(database).RunCommand(ctx, bson.D{{Key: "collStats", Value: name}}).Decode(&stats); err != nil {
			return nil, err
		}
		all = append(all, collection{name, stats.Count, stats.Size, stats.Size / max(stats.Count, 1)})
	}
	return all, nil
}
