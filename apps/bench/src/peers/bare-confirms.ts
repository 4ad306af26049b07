import type { ConsumeMessage } from 'amqplib';
import type { Caller, Peer, Setting, Side } from '../side/peer.js';
import { decode, encode, listenForReplies, open, peer as bare, requestOptions } from './bare.js';

/**
 * amqplib alone with what this library promises of an rpc: requests and replies are confirmed, on connections that blocked
 * publishers do not stop, and a request is acked once its reply is confirmed. So it shows what the promise itself costs.
 */

const orThrow = (error: unknown): void => {
  if (error === null || error === undefined) return;
  throw new Error('the broker refused a message', { cause: error });
};

const startReplier = async ({ url, prefetch, queues }: Setting): Promise<Side> => {
  const [consuming, replying] = [await open(url), await open(url)];
  const channel = await consuming.createChannel();
  const replies = await replying.createConfirmChannel();
  await channel.prefetch(prefetch);
  const answer = (request: ConsumeMessage | null): void => {
    if (request === null) return;
    const { replyTo, correlationId } = request.properties;
    const options = { correlationId: String(correlationId), contentType: 'application/json' };
    replies.sendToQueue(String(replyTo), encode(decode(request)), options, (error: unknown) => {
      orThrow(error);
      channel.ack(request);
    });
  };
  await channel.consume(queues[0], answer);
  return {
    close: async () => {
      await Promise.all([consuming.close(), replying.close()]);
    },
  };
};

const startCaller = async (setting: Setting): Promise<Caller> => {
  const { url, exchange, queues } = setting;
  const [key] = queues;
  const [consuming, sending] = [await open(url), await open(url)];
  const requests = await sending.createConfirmChannel();
  const { replyTo, waiting } = await listenForReplies(await consuming.createChannel());
  let calls = 0;
  return {
    call: (parameters) =>
      new Promise((resolve) => {
        calls += 1;
        const correlationId = String(calls);
        waiting.set(correlationId, resolve);
        const options = requestOptions(setting, { correlationId, replyTo });
        requests.publish(exchange, key, encode(parameters), options, orThrow);
      }),
    close: async () => {
      await Promise.all([consuming.close(), sending.close()]);
    },
  };
};

export const peer: Peer = { ...bare, startReplier, startCaller };
