import { inspect } from 'node:util';
import { Logger } from '@nestjs/common';
import { PublishError } from '../errors.js';
import type {
  DeliveryFacts,
  MessageFacts,
  Observer,
  PostageEvent,
  WhatFollows,
} from '../observability/observer.js';
import { describeError } from './failure.js';

type Level = 'log' | 'warn' | 'error' | 'debug';

/** Writes what happens to Nest's logger. Payloads appear only in debug mode, credentials never. */
export const logTo = (debug: boolean): Observer => {
  const logger = new Logger('Postage');
  return (event) => {
    const line = describe(event);
    // Debug mode was asked for: it must show even where Nest's debug level is off.
    if (line) logger[debug && line.level === 'debug' ? 'log' : line.level](line.text);
  };
};

const line = (level: Level, text: string): { level: Level; text: string } => ({ level, text });

const describe = (event: PostageEvent): { level: Level; text: string } | undefined =>
  describeConnection(event) ??
  describeControl(event) ??
  describeReply(event) ??
  describeFailure(event) ??
  describeMessage(event);

const describeConnection = (event: PostageEvent): { level: Level; text: string } | undefined => {
  switch (event.kind) {
    case 'connection.ready':
      return line('log', `connected to ${event.address} (${event.role})`);
    case 'connection.lost':
      return line(
        'warn',
        `lost the connection to ${event.address} (${event.role}): ${event.error?.message ?? 'closed by the broker'}`,
      );
    case 'connection.failed': {
      const next = event.retryInMs === undefined ? 'giving up' : `trying again in ${event.retryInMs} ms`;
      return line(
        'error',
        `attempt ${event.attempt} to connect (${event.role}) failed, ${next}: ${event.error.message}`,
      );
    }
    case 'connection.blocked':
      return line('warn', `the broker blocks publishers: ${event.reason}`);
    case 'connection.unblocked':
      return line('log', 'the broker takes messages again');
    case 'consumer.attached':
      return line('log', `consuming queue "${event.queue}" (prefetch ${event.prefetch})`);
    case 'consumer.lost':
      return line(
        'warn',
        `lost the consumer of queue "${event.queue}", putting it back: ${event.error.message}`,
      );
    case 'consumer.paused':
      return line('log', `paused queue "${event.queue}"`);
    case 'consumer.resumed':
      return line('log', `resumed queue "${event.queue}"`);
    case 'internal.failure':
      return line('error', `${event.where}: ${describeError(event.error)}`);
    case 'warning':
      return line('warn', event.text);
    default:
      return undefined;
  }
};

const describeControl = (event: PostageEvent): { level: Level; text: string } | undefined => {
  switch (event.kind) {
    case 'control.accepted':
      return line('log', `${event.command}: asked by ${show(event.fingerprint)} (${where(event.at)})`);
    case 'control.refused':
      return line(
        'warn',
        `refused to ${event.command}, since ${event.reason}: asked by ${show(event.fingerprint)} (${where(event.at)})`,
      );
    case 'group.joined':
      return line('log', `joined group "${event.group}"`);
    case 'group.left':
      return line('log', `left group "${event.group}"`);
    default:
      return undefined;
  }
};

const describeMessage = (event: PostageEvent): { level: Level; text: string } | undefined => {
  switch (event.kind) {
    case 'message.unhandled':
      return line('debug', `nobody handles ${what(event.message)} (${where(event.at)})`);
    case 'message.filtered':
      return line(
        'debug',
        `a filter kept ${what(event.message)} from ${event.handler}: ${describeError(event.error)}`,
      );
    case 'handler.aborted':
      return line(
        'debug',
        `${event.handler} gave up on ${what(event.message)}, as its signal said: ${describeError(event.error)}`,
      );
    case 'message.sent':
      return line(
        'debug',
        `sent to exchange "${event.exchange}" with key "${event.routingKey}": ${show(event.body)}`,
      );
    case 'message.received':
      return line('debug', `received (${where(event.at)}): ${show(event.body)}`);
    default:
      return undefined;
  }
};

const describeFailure = (event: PostageEvent): { level: Level; text: string } | undefined => {
  switch (event.kind) {
    case 'message.malformed':
      return line(
        'error',
        `${event.next === 'reject' ? 'rejected' : 'dead-lettered'} a message that can not be read: ${event.error.message} (${where(event.at)})`,
      );
    case 'handler.failed':
      return line(
        event.next === 'retry' || event.next === 'requeue' ? 'warn' : 'error',
        `${event.handler} failed on ${what(event.message)}, ${whatFollows(event)}: ${describeError(event.error)} (${where(event.at)})`,
      );
    case 'retry.expired':
      return line(
        'warn',
        `${what(event.message)} came too late for attempt ${event.attempt}, and is ${IN_WORDS[event.next]} (${where(event.at)})`,
      );
    case 'copy.failed':
      return line(
        'error',
        `a message goes back to its queue, since its copy for queue "${event.queue}" could not be published: ${describeError(event.error)} (${where(event.at)})`,
      );
    default:
      return undefined;
  }
};

const IN_WORDS: Readonly<Record<WhatFollows['next'], string>> = {
  retry: 'tried again',
  'dead-letter': 'dead-lettered',
  reject: 'rejected',
  requeue: 'given back to the queue',
  answer: 'answered',
};

/** `which is rejected`; where there is more than one attempt: `attempt 2, which is tried again in 5000 ms`. */
const whatFollows = ({ attempt, next, retryInMs }: WhatFollows): string => {
  const when = retryInMs === undefined ? '' : ` in ${retryInMs} ms`;
  const which = attempt > 1 || next === 'retry' ? `attempt ${attempt}, ` : '';
  return `${which}which is ${IN_WORDS[next]}${when}`;
};

const describeReply = (event: PostageEvent): { level: Level; text: string } | undefined => {
  switch (event.kind) {
    case 'reply.repeated':
      return line(
        'error',
        `${event.handler} answered ${what(event.message)} a second time; only the first answer counts`,
      );
    case 'reply.unencodable':
      return line('error', `a handler's answer can not be sent: ${event.error.message} (${where(event.at)})`);
    case 'reply.undeliverable':
      return line(
        // Otherwise the caller is gone; this one waits, and nothing that is sent to it will ever arrive.
        isAccessRefused(event.error) ? 'error' : 'debug',
        `a reply reached nobody: ${describeError(event.error)} (request in ${where(event.at)})`,
      );
    case 'reply.late':
      return line(
        'debug',
        `dropped a reply that no call waits for (correlation id ${event.correlationId ?? 'none'})`,
      );
    case 'reply.ambiguous':
      return line(
        'warn',
        `dropped a reply without a correlation id at "${event.queue}": another call may have been meant. Where peers stop to echo the id, their calls are sent once more`,
      );
    case 'call.repeated':
      return line(
        'debug',
        `${what(event.message)} came again, and ${event.handler} does not run again (${event.state}; ${where(event.at)})`,
      );
    case 'reply.malformed':
      return line('error', `dropped a reply that can not be read: ${event.error.message}`);
    default:
      return undefined;
  }
};

const isAccessRefused = (error: unknown): boolean =>
  error instanceof PublishError && error.code === 'ACCESS_REFUSED';

/** A key holds whatever its sender wrote, line breaks and control characters too. */
const where = ({ queue, exchange, routingKey, sizeBytes }: DeliveryFacts): string =>
  `queue "${queue}", exchange ${JSON.stringify(exchange)}, key ${JSON.stringify(routingKey)}, ${sizeBytes} bytes`;

const what = ({ category, type, name, fingerprint }: MessageFacts): string =>
  `${category} ${/^[\w.-]+$/.test(type) ? type : show(type)} ${show(name)} from ${show(fingerprint)}`;

const show = (value: unknown): string =>
  inspect(value, { depth: 6, breakLength: Infinity, maxStringLength: 2_000, maxArrayLength: 50 });
