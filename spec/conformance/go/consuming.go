package main

import (
	"github.com/apache/rocketmq-client-go/v2/consumer"
)

// Push consumers of both models, without failures.

func clustering(c *clients) {
	c.openTopic()
	first, second := &inbox{}, &inbox{}
	leaving := c.consume(into(first))
	c.consume(into(second))
	c.awaitShares(first, second)
	shared := bodies("shared", 40)
	c.send(shared...)
	eventually("all messages", func() bool { return len(first.all())+len(second.all()) >= 40 })
	equal("bodies of both", sorted(shared), sorted(append(first.bodies(), second.bodies()...)))
	that(len(first.all()) > 0 && len(second.all()) > 0, "both get messages, got %d and %d", len(first.all()), len(second.all()))

	must(leaving.Shutdown())
	c.awaitQueues(4, second)
	before := len(second.all())
	c.send(bodies("later", 8)...)
	eventually("what comes later", func() bool { return len(second.all()) >= before+8 })
	equal("bodies of the one that stayed", sorted(bodies("later", 8)), sorted(second.bodies()[before:]))
}

func broadcasting(c *clients) {
	c.openTopic()
	first, second := &inbox{}, &inbox{}
	for _, in := range []*inbox{first, second} {
		c.consume(into(in), consumer.WithConsumerModel(consumer.BroadCasting))
	}
	c.awaitQueues(4, first, second)
	c.send(bodies("for-all", 20)...)
	first.await(bodies("for-all", 20)...)
	second.await(bodies("for-all", 20)...)
}

func tags(c *clients) {
	c.openTopic()
	for _, tag := range []string{"a", "b", "c", "ab", "A"} {
		for _, body := range bodies(tag, 4) {
			c.sendMessage(c.message(body).WithTag(tag))
		}
	}
	c.send("no-tag")
	in := &inbox{}
	c.consumeTopic(c.topic(), "a || b", c.group(), into(in))
	in.await(append(bodies("a", 4), bodies("b", 4)...)...)
}

// restart: what a consumer consumed before it was closed does not come again to the next one of its group, what it had not seen does.
func restart(c *clients) {
	c.openTopic()
	c.send(bodies("before", 12)...)
	before, after := &inbox{}, &inbox{}
	first := c.consume(into(before))
	before.await(bodies("before", 12)...)
	must(first.Shutdown())
	c.send(bodies("between", 12)...)
	c.consume(into(after))
	after.await(bodies("between", 12)...)
}
