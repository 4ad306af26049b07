import { connect, type Channel, type ChannelModel, type ConsumeMessage, type Options } from 'amqplib';
import {
  handlerName,
  type Caller,
  type Handle,
  type Peer,
  type Publisher,
  type Setting,
  type Side,
  type WorkParameters,
} from '../side/peer.js';

/** amqplib alone, as one writes it who knows it well: what any layer above it can reach at best. */

export const open = (url: string): Promise<ChannelModel> => connect(url, { noDelay: true });

export const encode = (parameters: WorkParameters): Buffer => Buffer.from(JSON.stringify(parameters));

// What we publish ourselves, as JSON.
export const decode = ({ content }: ConsumeMessage): WorkParameters =>
  JSON.parse(content.toString()) as WorkParameters;

const startReplier = async (setting: Setting): Promise<Side> => {
  const connection = await open(setting.url);
  const channel = await connection.createChannel();
  await channel.prefetch(setting.prefetch);
  const answer = (request: ConsumeMessage | null): void => {
    if (request === null) return;
    const { replyTo, correlationId } = request.properties;
    channel.sendToQueue(String(replyTo), encode(decode(request)), {
      correlationId: String(correlationId),
      contentType: 'application/json',
    });
    channel.ack(request);
  };
  await channel.consume(setting.queues[0], answer);
  return connection;
};

interface Replies {
  readonly replyTo: string;
  /** Who waits, by correlation ids. */
  readonly waiting: Map<string, (parameters: WorkParameters) => void>;
}

/** One queue for all of them. */
export const listenForReplies = async (channel: Channel): Promise<Replies> => {
  const { queue: replyTo } = await channel.assertQueue('', { exclusive: true });
  const waiting: Replies['waiting'] = new Map();
  const read = (reply: ConsumeMessage | null): void => {
    if (reply === null) return;
    const correlationId = String(reply.properties.correlationId);
    const resolve = waiting.get(correlationId);
    waiting.delete(correlationId);
    resolve?.(decode(reply));
  };
  await channel.consume(replyTo, read, { noAck: true });
  return { replyTo, waiting };
};

export const requestOptions = (
  { persistent }: Setting,
  reply: { readonly correlationId: string; readonly replyTo: string },
): Options.Publish => ({ ...reply, contentType: 'application/json', persistent, mandatory: true });

const startCaller = async (setting: Setting): Promise<Caller> => {
  const connection = await open(setting.url);
  // The reply says more than a confirm would.
  const channel = await connection.createChannel();
  const { replyTo, waiting } = await listenForReplies(channel);
  const [key] = setting.queues;
  let calls = 0;
  return {
    call: (parameters) =>
      new Promise((resolve) => {
        calls += 1;
        const correlationId = String(calls);
        waiting.set(correlationId, resolve);
        const options = requestOptions(setting, { correlationId, replyTo });
        channel.publish(setting.exchange, key, encode(parameters), options);
      }),
    close: () => connection.close(),
  };
};

const startPublisher = async (setting: Setting): Promise<Publisher> => {
  const connection = await open(setting.url);
  const channel = await connection.createConfirmChannel();
  const [key] = setting.queues;
  return {
    publish: (parameters) =>
      new Promise<void>((resolve, reject) => {
        channel.publish(
          setting.exchange,
          key,
          encode(parameters),
          {
            contentType: 'application/json',
            persistent: setting.persistent,
            type: handlerName(0),
          },
          (error: unknown) => {
            if (error === null || error === undefined) resolve();
            else reject(new Error('the broker refused a message', { cause: error }));
          },
        );
      }),
    close: () => connection.close(),
  };
};

const consume = async (
  channel: Channel,
  queue: string,
  handlers: ReadonlyMap<string, Handle>,
): Promise<void> => {
  const handle = (message: ConsumeMessage | null): void => {
    if (message === null) return;
    const running = handlers.get(String(message.properties.type))?.(decode(message));
    if (running === undefined) channel.ack(message);
    else void running.then(() => channel.ack(message));
  };
  await channel.consume(queue, handle);
};

const startConsumer = async (setting: Setting, handle: Handle): Promise<Side> => {
  const connection = await open(setting.url);
  const handlers = new Map(
    Array.from({ length: setting.handlers }, (_, index) => [
      handlerName(index),
      (parameters: WorkParameters) => handle(parameters),
    ]),
  );
  for (const queue of setting.queues) {
    const channel = await connection.createChannel();
    await channel.prefetch(setting.prefetch);
    await consume(channel, queue, handlers);
  }
  return connection;
};

export const peer: Peer = { startReplier, startCaller, startPublisher, startConsumer };
