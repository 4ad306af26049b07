import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PublishError } from '../errors.js';
import type { PostageEvent } from '../observability/observer.js';
import { logTo } from './postage.logger.js';

const lines: string[] = [];
beforeEach(() => {
  lines.length = 0;
  const write =
    (level: string) =>
    (text: string): void =>
      void lines.push(`${level} ${text}`);
  Logger.overrideLogger({
    log: write('log'),
    warn: write('warn'),
    error: write('error'),
    debug: write('debug'),
  });
});
afterEach(() => Logger.overrideLogger(new Logger()));

const at = { queue: 'q', exchange: 'e', routingKey: 'k', sizeBytes: 1, redelivered: false };
const undeliverable = (code: 'UNROUTABLE' | 'ACCESS_REFUSED'): PostageEvent => {
  const error = new PublishError(code, { exchange: '', routingKey: 'amq.gen-1' });
  return { kind: 'reply.undeliverable', at, error };
};

describe('logTo', () => {
  it('writes of a caller that is gone for those who look for it, and of a right that is missing for everybody', () => {
    const log = logTo(false);
    log(undeliverable('UNROUTABLE'));
    log(undeliverable('ACCESS_REFUSED'));
    expect(lines.map((line) => line.split(' ', 1)[0])).toEqual(['debug', 'error']);
    expect(lines[1]).toContain('amq.default');
  });

  it('writes one line for one event, whatever a sender puts into its key and its fields', () => {
    const text = 'k"\nERROR all is lost\u001b[2J';
    const message = { category: 'message', type: text, name: text, fingerprint: { name: text } };
    const log = logTo(true);
    log({
      kind: 'message.malformed',
      at: { ...at, exchange: text, routingKey: text },
      error: new Error('broken'),
      next: 'reject',
    });
    log({ kind: 'message.unhandled', at, message });
    log({ kind: 'message.received', at, body: message });
    expect(lines).toHaveLength(3);
    expect(lines.filter((line) => line.includes('\n') || line.includes('\u001b'))).toEqual([]);
  });
});
