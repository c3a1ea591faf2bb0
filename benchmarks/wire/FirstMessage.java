import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;

/** Waits for the address of a name server on its standard input, sends one message there and consumes it. */
public class FirstMessage {
  public static void main(String[] arguments) throws Exception {
    // Its classes are loaded before anything is measured.
    DefaultMQProducer producer = new DefaultMQProducer("first-producer");
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("first-consumer");
    System.out.println("waiting");
    String nameserver = new BufferedReader(new InputStreamReader(System.in)).readLine();
    CountDownLatch consumed = new CountDownLatch(1);
    producer.setNamesrvAddr(nameserver);
    producer.start();
    producer.send(new Message("First", "hello".getBytes(StandardCharsets.UTF_8)));
    System.out.println("sent");
    consumer.setNamesrvAddr(nameserver);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe("First", "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      consumed.countDown();
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    consumed.await();
    System.out.println("consumed");
    consumer.shutdown();
    producer.shutdown();
    System.exit(0);
  }
}
