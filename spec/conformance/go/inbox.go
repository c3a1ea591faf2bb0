package main

import (
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

const (
	// opening makes a topic, probe finds out who has which queue: no scenario counts them.
	opening = "opening"
	probe   = "probe-"
	// silence is how long it is waited for messages that must not come.
	silence = 400 * time.Millisecond
)

type entry struct {
	message *primitive.MessageExt
	body    string
	at      time.Time
}

// inbox is what listeners were given, in the order in which they were.
type inbox struct {
	mutex   sync.Mutex
	entries []entry
	probes  []string
}

func (in *inbox) add(messages ...*primitive.MessageExt) {
	in.mutex.Lock()
	defer in.mutex.Unlock()
	for _, message := range messages {
		body := string(message.Body)
		switch {
		case strings.HasPrefix(body, probe):
			in.probes = append(in.probes, body)
		case body != opening:
			in.entries = append(in.entries, entry{message, body, time.Now()})
		}
	}
}

func (in *inbox) all() []entry {
	in.mutex.Lock()
	defer in.mutex.Unlock()
	return append([]entry(nil), in.entries...)
}

func (in *inbox) bodies() []string {
	bodies := []string{}
	for _, each := range in.all() {
		bodies = append(bodies, each.body)
	}
	return bodies
}

// probesOf counts those of a round, of all that have come.
func (in *inbox) probesOf(round string) int {
	in.mutex.Lock()
	defer in.mutex.Unlock()
	count := 0
	for _, each := range in.probes {
		if strings.HasPrefix(each, round) {
			count++
		}
	}
	return count
}

// await waits for exactly these, in whatever order.
func (in *inbox) await(expected ...string) []entry {
	for deadline := time.Now().Add(patience); len(in.all()) < len(expected) && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(silence)
	equal("bodies", sorted(expected), sorted(in.bodies()))
	return in.all()
}

func sorted(bodies []string) []string {
	copied := append([]string{}, bodies...)
	sort.Strings(copied)
	return copied
}
