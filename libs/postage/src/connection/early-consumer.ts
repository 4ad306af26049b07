type Listener = (message: never) => void;

/** Of amqplib's channel, what is needed here: none of it is public. */
interface ConsumerRegistry {
  registerConsumer: (consumerTag: string, listener: Listener) => void;
  unregisterConsumer: (consumerTag: string) => void;
}

/**
 * Makes a consumer known before it is asked for. RabbitMQ 3.10 now and then delivers the first message of a stream before it
 * says that consuming has begun, by which amqplib learns of the consumer: it would throw that message away, and nobody
 * would ever settle it. Does nothing where amqplib is not as we know it.
 * @returns undoes it, for a consumer that has been refused
 */
export const registerEarly = (channel: object, consumerTag: string, listener: Listener): (() => void) => {
  if (!isRegistry(channel)) return () => undefined;
  channel.registerConsumer(consumerTag, listener);
  return () => channel.unregisterConsumer(consumerTag);
};

const isRegistry = (channel: object): channel is ConsumerRegistry => {
  const { registerConsumer, unregisterConsumer } = channel as Partial<ConsumerRegistry>;
  return typeof registerConsumer === 'function' && typeof unregisterConsumer === 'function';
};
