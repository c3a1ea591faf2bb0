package main

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// Listeners that fail, and those that need an order over a failure.

var keys = []string{"ada", "bob", "cyd", "dan", "eve", "fay"}

const eachKey = 8

// sendInOrder sends KEY-0 … of each key in turns.
func sendInOrder(c *clients) []string {
	queues := map[string]map[int]bool{}
	sent := []string{}
	for index := 0; index < eachKey; index++ {
		for _, key := range keys {
			body := bodies(key, eachKey)[index]
			result := c.sendMessage(c.message(body).WithShardingKey(key))
			if queues[key] == nil {
				queues[key] = map[int]bool{}
			}
			queues[key][result.MessageQueue.QueueId] = true
			sent = append(sent, body)
		}
	}
	for key, used := range queues {
		equal("queues of the key "+key, 1, len(used))
	}
	return sent
}

func checkOrder(list []string) {
	for _, key := range keys {
		equal("order of the key "+key, bodies(key, eachKey), ofKey(list, key))
	}
}

func orderly(c *clients) {
	c.openTopic()
	sent := sendInOrder(c)
	in, calls := &inbox{}, &inbox{}
	var hasFailed atomic.Bool
	c.consume(func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		calls.add(messages...)
		if string(messages[0].Body) == "bob-3" && hasFailed.CompareAndSwap(false, true) {
			return consumer.SuspendCurrentQueueAMoment, nil
		}
		in.add(messages...)
		return consumer.ConsumeSuccess, nil
	}, consumer.WithConsumerOrder(true))

	in.await(sent...)
	checkOrder(in.bodies())
	expected := append(append(bodies("bob", 4), "bob-3"), bodies("bob", eachKey)[4:]...)
	equal("calls for the key with a failure", expected, ofKey(calls.bodies(), "bob"))
}

func retryAfterASecond(ctx context.Context) (consumer.ConsumeResult, error) {
	concurrently, _ := primitive.GetConcurrentlyCtx(ctx)
	concurrently.DelayLevelWhenNextConsume = 1
	return consumer.ConsumeRetryLater, nil
}

func retry(c *clients) {
	c.openTopic()
	c.openRetryTopic()
	calls := &inbox{}
	c.consume(func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		calls.add(messages...)
		if string(messages[0].Body) == "fails-twice" && messages[0].ReconsumeTimes < 2 {
			return retryAfterASecond(ctx)
		}
		return consumer.ConsumeSuccess, nil
	})
	c.awaitShares(calls)
	sent := c.message("fails-twice").WithTag("some-tag").WithKeys([]string{"some-key"})
	sent.WithProperty("colour", "green")
	result := c.sendMessage(sent)
	c.send("succeeds")

	calls.await("fails-twice", "fails-twice", "fails-twice", "succeeds")
	attempts := []entry{}
	for _, each := range calls.all() {
		if each.body == "fails-twice" {
			attempts = append(attempts, each)
		}
	}
	for times, each := range attempts {
		message := each.message
		equal("reconsume times", int32(times), message.ReconsumeTimes)
		equal("topic", c.topic(), message.Topic)
		equal("message id", result.MsgID, message.MsgId)
		equal("tag", "some-tag", message.GetTags())
		equal("keys", "some-key", message.GetKeys())
		equal("property", "green", message.GetProperty("colour"))
		if times > 0 {
			waited := each.at.Sub(attempts[times-1].at)
			that(waited >= 950*time.Millisecond && waited < 8*time.Second, "delay level 1 is a second, the retry took %v", waited)
		}
	}
}

func deadLetter(c *clients) {
	c.openTopic()
	c.openRetryTopic()
	calls, dead := &inbox{}, &inbox{}
	c.consume(func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		calls.add(messages...)
		if string(messages[0].Body) == "poison" {
			return retryAfterASecond(ctx)
		}
		return consumer.ConsumeSuccess, nil
	}, consumer.WithMaxReconsumeTimes(1))
	c.awaitShares(calls)
	result := c.sendMessage(c.message("poison").WithKeys([]string{"some-key"}))

	calls.await("poison", "poison")
	deadLetters := "%DLQ%" + c.group()
	// A client asks for the routes of its topics each 30 s: one that starts too early waits for so long.
	time.Sleep(time.Second)
	c.consumeTopic(deadLetters, "*", c.name+"-others", into(dead))
	letter := dead.await("poison")[0].message
	equal("topic", deadLetters, letter.Topic)
	equal("message id", result.MsgID, letter.MsgId)
	equal("keys", "some-key", letter.GetKeys())
	equal("topic that it came from", c.topic(), letter.GetProperty(primitive.PropertyRetryTopic))
	// The half of it that is an address is that of RocketMQ's usual port, wherever PocketMQ listens.
	origin := letter.GetProperty(primitive.PropertyOriginMessageId)
	that(strings.HasSuffix(origin, result.OffsetMsgID[16:]), "place of the original: expected %s, got %s", result.OffsetMsgID, origin)
}
