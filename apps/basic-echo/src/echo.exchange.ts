import { defineExchange } from 'nestjs-postage';

/** What both programs share. */
export const EchoExchange = defineExchange({
  name: 'echo-exchange',
  type: 'direct',
  passive: false,
  durable: true,
  autoDelete: false,
});
