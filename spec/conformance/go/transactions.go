package main

import (
	"context"
	"strings"
	"sync"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// decides by what a body begins with: at once for "commit" and "rollback", when it is asked for "committed" and "rolled-back".
type decides struct {
	mutex  sync.Mutex
	checks map[string]*primitive.MessageExt
}

func (d *decides) ExecuteLocalTransaction(message *primitive.Message) primitive.LocalTransactionState {
	switch {
	case strings.HasPrefix(string(message.Body), "commit-"):
		return primitive.CommitMessageState
	case strings.HasPrefix(string(message.Body), "rollback-"):
		return primitive.RollbackMessageState
	}
	return primitive.UnkonwnState
}

func (d *decides) CheckLocalTransaction(message *primitive.MessageExt) primitive.LocalTransactionState {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.checks[string(message.Body)] = message
	if strings.HasPrefix(string(message.Body), "committed-") {
		return primitive.CommitMessageState
	}
	return primitive.RollbackMessageState
}

func (d *decides) checked() []string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	list := []string{}
	for body := range d.checks {
		list = append(list, body)
	}
	return sorted(list)
}

func transaction(c *clients) {
	c.openTopic()
	in := &inbox{}
	c.consume(into(in))
	listener := &decides{checks: map[string]*primitive.MessageExt{}}
	sender := c.transactionProducer(listener)
	results := map[string]*primitive.TransactionSendResult{}
	for _, prefix := range []string{"rollback", "commit", "committed", "rolled-back"} {
		for _, body := range bodies(prefix, 3) {
			result, err := sender.SendMessageInTransaction(context.Background(), c.message(body))
			must(err)
			equal("status", primitive.SendOK, result.Status)
			results[body] = result
		}
	}

	open := append(bodies("committed", 3), bodies("rolled-back", 3)...)
	eventually("every message that is not decided is asked for", func() bool { return len(listener.checked()) >= len(open) })
	for _, each := range in.await(append(bodies("commit", 3), bodies("committed", 3)...)...) {
		equal("message id", results[each.body].MsgID, each.message.MsgId)
		equal("topic", c.topic(), each.message.Topic)
	}
	equal("checks", sorted(open), listener.checked())
	for _, body := range open {
		equal("transaction id of "+body, results[body].TransactionID, listener.checks[body].TransactionId)
		equal("topic of "+body, c.topic(), listener.checks[body].Topic)
	}
}
