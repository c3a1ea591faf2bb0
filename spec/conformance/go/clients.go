package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

var instances atomic.Int32

type listener = func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error)

// clients makes those of one scenario, each an instance of its own, and closes them at its end.
type clients struct {
	nameserver primitive.NamesrvAddr
	// name is what topics and groups begin with: nobody else uses it.
	name     string
	sender   rocketmq.Producer
	closings []func() error
}

func (c *clients) topic() string { return c.name }
func (c *clients) group() string { return c.name + "-group" }

func (c *clients) message(body string) *primitive.Message {
	return primitive.NewMessage(c.topic(), []byte(body))
}

// bodies are prefix-0, prefix-1 …
func bodies(prefix string, count int) []string {
	list := []string{}
	for index := 0; index < count; index++ {
		list = append(list, fmt.Sprintf("%s-%d", prefix, index))
	}
	return list
}

func instance() string { return fmt.Sprintf("instance-%d", instances.Add(1)) }

func (c *clients) producerOptions(group string) []producer.Option {
	return []producer.Option{
		producer.WithNameServer(c.nameserver),
		producer.WithGroupName(c.name + group),
		producer.WithInstanceName(instance()),
		producer.WithSendMsgTimeout(10 * time.Second),
	}
}

// newProducer lets a message with a queue go there, one with a sharding key to the queue of its key, and others to any.
func (c *clients) newProducer(selector producer.QueueSelector) rocketmq.Producer {
	made, err := rocketmq.NewProducer(append(c.producerOptions("-producers"), producer.WithQueueSelector(selector))...)
	must(err)
	must(made.Start())
	c.closings = append(c.closings, made.Shutdown)
	return made
}

func (c *clients) producer() rocketmq.Producer {
	if c.sender == nil {
		c.sender = c.newProducer(producer.NewHashQueueSelector())
	}
	return c.sender
}

func (c *clients) transactionProducer(listener primitive.TransactionListener) rocketmq.TransactionProducer {
	made, err := rocketmq.NewTransactionProducer(listener, c.producerOptions("-transactions")...)
	must(err)
	must(made.Start())
	c.closings = append(c.closings, made.Shutdown)
	return made
}

func (c *clients) send(list ...string) {
	for _, body := range list {
		c.sendMessage(c.message(body))
	}
}

func (c *clients) sendMessage(message *primitive.Message) *primitive.SendResult {
	result, err := c.producer().SendSync(context.Background(), message)
	must(err)
	equal("status", primitive.SendOK, result.Status)
	return result
}

// openTopic sends one message that nobody counts: a topic is there from the first message on.
func (c *clients) openTopic() { c.send(opening) }

func (c *clients) consumerOptions(group string, more ...consumer.Option) []consumer.Option {
	return append([]consumer.Option{
		consumer.WithNameServer(c.nameserver),
		consumer.WithGroupName(group),
		consumer.WithInstance(instance()),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}, more...)
}

// consume starts a push consumer. It may be closed before the end of the scenario.
func (c *clients) consume(listener listener, more ...consumer.Option) rocketmq.PushConsumer {
	return c.consumeTopic(c.topic(), "*", c.group(), listener, more...)
}

func (c *clients) consumeTopic(topic, tags, group string, listener listener, more ...consumer.Option) rocketmq.PushConsumer {
	made, err := rocketmq.NewPushConsumer(c.consumerOptions(group, more...)...)
	must(err)
	must(made.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: tags}, listener))
	must(made.Start())
	c.closings = append(c.closings, made.Shutdown)
	return made
}

// openRetryTopic lets the group be there before its consumers: one that starts earlier than its retry topic asks for that again after 30 s.
func (c *clients) openRetryTopic() {
	must(c.consume(into(&inbox{})).Shutdown())
}

func into(in *inbox) listener {
	return func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		in.add(messages...)
		return consumer.ConsumeSuccess, nil
	}
}

// awaitShares sends to each of the 4 queues until each member gets its share of them, once.
func (c *clients) awaitShares(inboxes ...*inbox) {
	c.awaitQueues(4/len(inboxes), inboxes...)
}

func (c *clients) awaitQueues(each int, inboxes ...*inbox) {
	toQueue := c.newProducer(producer.NewManualQueueSelector())
	queue := c.sendMessage(c.message(opening)).MessageQueue
	round := 0
	eventually("the queues are shared", func() bool {
		round++
		name := fmt.Sprintf("%s%d-", probe, round)
		for queueID := 0; queueID < 4; queueID++ {
			message := c.message(fmt.Sprintf("%s%d", name, queueID))
			message.Queue = &primitive.MessageQueue{Topic: c.topic(), BrokerName: queue.BrokerName, QueueId: queueID}
			_, err := toQueue.SendSync(context.Background(), message)
			must(err)
		}
		time.Sleep(silence)
		for _, in := range inboxes {
			if in.probesOf(name) != each {
				return false
			}
		}
		return true
	})
}

func (c *clients) close() {
	for last := len(c.closings) - 1; last >= 0; last-- {
		_ = c.closings[last]()
	}
}

func ofKey(list []string, key string) []string {
	found := []string{}
	for _, body := range list {
		if strings.HasPrefix(body, key) {
			found = append(found, body)
		}
	}
	return found
}
