package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// What producers are told, and what of their messages arrives.

var uniqueID = regexp.MustCompile(`^[0-9A-Fa-f]{32,}$`)

func sendSync(c *clients) {
	c.openTopic()
	toQueue := c.newProducer(producer.NewManualQueueSelector())
	queue := *c.sendMessage(c.message(opening)).MessageQueue
	results := []*primitive.SendResult{}
	for _, body := range bodies("sync", 3) {
		message := c.message(body)
		message.Queue = &queue
		result, err := toQueue.SendSync(context.Background(), message)
		must(err)
		results = append(results, result)
	}
	first := results[0].QueueOffset
	for index, result := range results {
		equal("status", primitive.SendOK, result.Status)
		equal("queue", queue.QueueId, result.MessageQueue.QueueId)
		equal("queue offset", first+int64(index), result.QueueOffset)
		that(uniqueID.MatchString(result.MsgID), "message id: %s", result.MsgID)
		that(uniqueID.MatchString(result.OffsetMsgID), "offset message id: %s", result.OffsetMsgID)
	}
	in := &inbox{}
	c.consume(into(in))
	for _, each := range in.await(bodies("sync", 3)...) {
		index := each.message.QueueOffset - first
		equal("message id", results[index].MsgID, each.message.MsgId)
		equal("queue", queue.QueueId, each.message.Queue.QueueId)
		equal("body", bodies("sync", 3)[index], each.body)
	}
}

func sendAsync(c *clients) {
	c.openTopic()
	var answered sync.WaitGroup
	var mutex sync.Mutex
	failures := []error{}
	for _, body := range bodies("async", 50) {
		answered.Add(1)
		must(c.producer().SendAsync(context.Background(), func(_ context.Context, result *primitive.SendResult, err error) {
			defer answered.Done()
			if err == nil && result.Status != primitive.SendOK {
				err = errors.New(result.String())
			}
			if err != nil {
				mutex.Lock()
				defer mutex.Unlock()
				failures = append(failures, err)
			}
		}, c.message(body)))
	}
	answered.Wait()
	equal("failures", []error{}, failures)
	in := &inbox{}
	c.consume(into(in))
	in.await(bodies("async", 50)...)
}

func sendOneWay(c *clients) {
	c.openTopic()
	for _, body := range bodies("oneway", 20) {
		must(c.producer().SendOneWay(context.Background(), c.message(body)))
	}
	in := &inbox{}
	c.consume(into(in))
	in.await(bodies("oneway", 20)...)
}

func sendBatch(c *clients) {
	c.openTopic()
	messages := []*primitive.Message{}
	for _, body := range bodies("batch", 20) {
		message := c.message(body).WithTag("tag-" + body).WithKeys([]string{"key-" + body})
		message.WithProperty("said", body)
		messages = append(messages, message)
	}
	result, err := c.producer().SendSync(context.Background(), messages...)
	must(err)
	equal("status", primitive.SendOK, result.Status)
	ids := map[string]bool{}
	in := &inbox{}
	c.consume(into(in))
	for _, each := range in.await(bodies("batch", 20)...) {
		index := each.message.QueueOffset - result.QueueOffset
		equal("body", bodies("batch", 20)[index], each.body)
		ids[each.message.MsgId] = true
		equal("queue", result.MessageQueue.QueueId, each.message.Queue.QueueId)
		equal("tag", "tag-"+each.body, each.message.GetTags())
		equal("keys", "key-"+each.body, each.message.GetKeys())
		equal("property", each.body, each.message.GetProperty("said"))
	}
	equal("message ids", 20, len(ids))
}

func sendRefused(c *clients) {
	c.openTopic()
	noise := make([]byte, 5<<20)
	rand.New(rand.NewSource(7)).Read(noise)
	_, err := c.producer().SendSync(context.Background(), primitive.NewMessage(c.topic(), noise))
	that(err != nil && strings.HasPrefix(err.Error(), "CODE: 13,"), "5 MiB are refused with 13, got %v", err)
}

func content(c *clients) {
	c.openTopic()
	sent := c.message("naïve 消息 🐘").WithTag("tag-ü").WithKeys([]string{"key-1", "κλειδί"})
	sent.WithProperty("colour", "grün")
	sent.WithProperty("消息", "🐘")
	before := time.Now().UnixMilli()
	result := c.sendMessage(sent)
	in := &inbox{}
	c.consume(into(in))

	message := in.await("naïve 消息 🐘")[0].message
	equal("tag", "tag-ü", message.GetTags())
	equal("keys", "key-1 κλειδί", message.GetKeys())
	equal("property colour", "grün", message.GetProperty("colour"))
	equal("property 消息", "🐘", message.GetProperty("消息"))
	equal("topic", c.topic(), message.Topic)
	equal("reconsume times", int32(0), message.ReconsumeTimes)
	equal("queue offset", result.QueueOffset, message.QueueOffset)
	after := time.Now().UnixMilli()
	that(message.BornTimestamp >= before && message.BornTimestamp <= after, "born: %d", message.BornTimestamp)
	that(message.StoreTimestamp >= before && message.StoreTimestamp <= after, "stored: %d", message.StoreTimestamp)
}

func contentCompressed(c *clients) {
	c.openTopic()
	text := strings.Repeat("ein langer Satz, ", 4_000)
	noise := make([]byte, 100_000)
	rand.New(rand.NewSource(11)).Read(noise)
	c.send(text)
	c.sendMessage(primitive.NewMessage(c.topic(), noise))
	in := &inbox{}
	c.consume(into(in))

	for _, each := range in.await(text, string(noise)) {
		if bytes.Equal(each.message.Body, noise) {
			continue
		}
		that(each.message.StoreSize < 4_000, "a text of 68 kB travels compressed, it took %d", each.message.StoreSize)
	}
}

func delay(c *clients) {
	c.openTopic()
	in := &inbox{}
	c.consume(into(in))
	c.awaitShares(in)
	before := time.Now()
	result := c.sendMessage(c.message("late").WithDelayTimeLevel(1))
	c.send("now")

	entries := in.await("now", "late")
	equal("order", []string{"now", "late"}, in.bodies())
	waited := entries[1].at.Sub(before)
	that(waited >= time.Second && waited < 8*time.Second, "delay level 1 is a second, it took %v", waited)
	equal("topic", c.topic(), entries[1].message.Topic)
	equal("message id", result.MsgID, entries[1].message.MsgId)
}
