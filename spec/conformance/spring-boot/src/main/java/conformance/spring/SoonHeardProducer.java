package conformance.spring;

import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.context.annotation.Profile;
import org.springframework.stereotype.Component;

/**
 * A producer is asked what became of its transactions once the broker has heard of it: a second after its start, but not before it has looked for the queues of a topic,
 * then each 30 s. The starter has no property for that.
 */
@Component
@Profile("sending")
class SoonHeardProducer implements BeanPostProcessor {
  @Override
  public Object postProcessBeforeInitialization(Object bean, String name) {
    if (bean instanceof DefaultMQProducer producer) producer.setHeartbeatBrokerInterval(2_000);
    return bean;
  }
}
