import { describe, expect, it } from 'vitest';
import type { MessageBody } from './body.js';
import {
  MessageResult,
  MessageResultError,
  MessageResultException,
  MessageStatus,
  type Message,
} from './message.js';
import { parseResult } from './result.js';

const bodyWith = (content: Record<string, unknown>): MessageBody => ({
  ...new MessageResult(1).body,
  content,
});

describe('parseResult', () => {
  it.each<[Message, unknown]>([
    [new MessageResult({ sum: 11 }, 'added'), { type: 'success', value: { sum: 11 }, message: 'added' }],
    [new MessageResultError('no such user'), { type: 'error', value: null, message: 'no such user' }],
    [new MessageResultException('KeyError', 'x'), { type: 'exception', value: 'KeyError', message: 'x' }],
  ])('reads %o', (message, content) => {
    expect(parseResult(message.body)).toEqual(content);
  });

  it('tolerates what a caller can do without', () => {
    expect(parseResult(bodyWith({ type: 'success' }))).toEqual({ type: 'success', value: null, message: '' });
    expect(parseResult(bodyWith({ type: 'error', value: 7, message: null }))).toEqual({
      type: 'error',
      value: null,
      message: '',
    });
  });

  it.each([
    ['body.content.type', { type: 'done', value: 1, message: '' }],
    ['body.content.type', { value: 1, message: '' }],
    ['body.content.message', { type: 'success', value: 1, message: 7 }],
    ['body.content.value', { type: 'exception', value: null, message: 'x' }],
    ['body.content.value', { type: 'exception', message: 'x' }],
  ])('refuses a wrong %s: %j', (field, content) => {
    expect(() => parseResult(bodyWith(content))).toThrow(
      expect.objectContaining({ code: 'MALFORMED_MESSAGE', field }),
    );
  });

  it('refuses a message that is no result', () => {
    expect(() => parseResult(new MessageStatus('online').body)).toThrow(
      expect.objectContaining({ field: 'body.type' }),
    );
  });
});
