package main

import (
	"fmt"
	"reflect"
	"time"
)

const patience = 30 * time.Second

// wrong ends a scenario that did not see what it should.
type wrong string

func equal(what string, expected, actual any) {
	that(reflect.DeepEqual(expected, actual), "%s: expected %v, got %v", what, expected, actual)
}

func that(claim bool, otherwise string, values ...any) {
	if !claim {
		panic(wrong(fmt.Sprintf(otherwise, values...)))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// eventually waits for what takes its time: a rebalance, a delivery.
func eventually(what string, holds func() bool) {
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		that(time.Now().Before(deadline), "not within %v: %s", patience, what)
	}
}
