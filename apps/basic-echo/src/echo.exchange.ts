import { defineExchange } from 'nestjs-postage';

/** What the sender and the receiver share: where messages go through. */
export const EchoExchange = defineExchange({
  name: 'echo-exchange',
  type: 'direct',
  passive: false,
  durable: true,
  autoDelete: false,
});
