// Program conformance runs scenarios with the Go client side by side, and writes one line for each, its parts between tabs:
// `ok NAME MS` or `failed NAME WHY`.
//
//	conformance NAMESERVER RUN [SCENARIO…]
package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

type scenario = func(*clients)

var scenarios = map[string]scenario{
	"send-sync":          sendSync,
	"send-async":         sendAsync,
	"send-oneway":        sendOneWay,
	"send-batch":         sendBatch,
	"send-refused":       sendRefused,
	"content":            content,
	"content-compressed": contentCompressed,
	"delay":              delay,
	"clustering":         clustering,
	"broadcasting":       broadcasting,
	"tags":               tags,
	"restart":            restart,
	"orderly":            orderly,
	"retry":              retry,
	"dead-letter":        deadLetter,
	"transaction":        transaction,
	"pull-poll":          pullPoll,
	"pull-from":          pullFrom,
}

var breaks = regexp.MustCompile(`[\t\r\n]+`)

func main() {
	rlog.SetLogLevel("error")
	nameserver, err := primitive.NewNamesrvAddr(os.Args[1])
	must(err)
	wanted := os.Args[3:]
	if len(wanted) == 0 {
		for name := range scenarios {
			wanted = append(wanted, name)
		}
		sort.Strings(wanted)
	}
	var running sync.WaitGroup
	for _, name := range wanted {
		running.Add(1)
		go func(name string) {
			defer running.Done()
			report(name, &clients{nameserver: nameserver, name: name + "-" + os.Args[2]})
		}(name)
	}
	running.Wait()
}

func report(name string, c *clients) {
	began := time.Now()
	defer c.close()
	defer func() {
		switch why := recover().(type) {
		case nil:
			say("ok", name, strconv.FormatInt(time.Since(began).Milliseconds(), 10))
		case wrong:
			say("failed", name, string(why))
		default:
			say("failed", name, fmt.Sprint(why))
			fmt.Fprintf(os.Stderr, "%s: %v\n%s\n", name, why, debug.Stack())
		}
	}()
	scenarios[name](c)
}

func say(verdict, name, detail string) {
	fmt.Println(strings.Join([]string{verdict, name, breaks.ReplaceAllString(detail, " ")}, "\t"))
}
