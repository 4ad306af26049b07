import { afterAll, beforeAll } from 'vitest';
import { AmqpDriver } from '../../libs/postage/src/connection/amqp-driver.js';
import { createVhost, type Vhost } from '../support/rabbit.js';
import { transportContract } from './transport.contract.js';

// A virtual host of its own, so that cutting all its connections hurts no other test.
let vhost: Vhost;

beforeAll(async () => {
  vhost = await createVhost('contract');
});

afterAll(async () => {
  await vhost.delete();
});

transportContract({
  name: 'RabbitMQ',
  connect: async () => new AmqpDriver({ url: vhost.url }),
  disconnectAll: () => vhost.closeConnections(),
});
