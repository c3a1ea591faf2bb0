package main

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// Consumers that poll, and those that say what they want.

func (c *clients) pullConsumer() rocketmq.PullConsumer {
	made, err := rocketmq.NewPullConsumer(c.consumerOptions(c.group())...)
	must(err)
	must(made.Subscribe(c.topic(), consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}))
	must(made.Start())
	c.closings = append(c.closings, made.Shutdown)
	return made
}

func poll(from rocketmq.PullConsumer, count int) *inbox {
	in := &inbox{}
	eventually(fmt.Sprintf("%d polled messages", count), func() bool {
		request, err := from.Poll(context.Background(), 200*time.Millisecond)
		if err == nil {
			in.add(request.GetMsgList()...)
			from.ACK(context.Background(), request, consumer.ConsumeSuccess)
		}
		return len(in.all()) >= count
	})
	return in
}

func pullPoll(c *clients) {
	c.openTopic()
	c.send(bodies("first", 12)...)
	first := c.pullConsumer()
	poll(first, 12).await(bodies("first", 12)...)
	must(first.PersistOffset(context.Background(), c.topic()))
	must(first.Shutdown())
	c.send(bodies("second", 12)...)
	poll(c.pullConsumer(), 12).await(bodies("second", 12)...)
}

func pullFrom(c *clients) {
	c.openTopic()
	toQueue := c.newProducer(producer.NewManualQueueSelector())
	queue := *c.sendMessage(c.message(opening)).MessageQueue
	var start int64
	for index, body := range bodies("message", 10) {
		message := c.message(body)
		message.Queue = &queue
		result, err := toQueue.SendSync(context.Background(), message)
		must(err)
		if index == 0 {
			start = result.QueueOffset
		}
	}
	from := c.pullConsumer()

	result, err := from.PullFrom(context.Background(), &queue, start+6, 32)
	must(err)
	equal("status", primitive.PullFound, result.Status)
	equal("next offset", start+10, result.NextBeginOffset)
	equal("highest offset", start+10, result.MaxOffset)
	equal("lowest offset", int64(0), result.MinOffset)
	in := &inbox{}
	in.add(result.GetMessageExts()...)
	equal("bodies", bodies("message", 10)[6:], in.bodies())

	result, err = from.PullFrom(context.Background(), &queue, start+1_000, 32)
	must(err)
	equal("status beyond the end", primitive.PullOffsetIllegal, result.Status)
	equal("next offset beyond the end", start+10, result.NextBeginOffset)
}
