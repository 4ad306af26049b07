import { describe, expect, it } from 'vitest';
import { packetOf } from '../run/wire.js';
import { handlerName, parametersOf } from './peer.js';

describe('parametersOf', () => {
  it.for([11, 100, 1_024, 1_048_576])('takes %s bytes as JSON', (bytes) => {
    expect(Buffer.byteLength(JSON.stringify(parametersOf(bytes)))).toBe(bytes);
  });
});

describe('handlerName', () => {
  it('is a name of its own for each handler', () => {
    expect([0, 1, 999].map(handlerName)).toEqual(['work', 'work_1', 'work_999']);
  });
});

describe('packetOf', () => {
  const read = (format: Parameters<typeof packetOf>[0]): unknown =>
    JSON.parse(packetOf(format, 'work_1', { text: 'x' }).content.toString());

  it('writes a message as the consumers of each peer expect it', () => {
    expect(read('plain')).toEqual({ text: 'x' });
    expect(read('nest')).toEqual({ pattern: 'work_1', data: { text: 'x' } });
    expect(read('postage')).toMatchObject({
      category: 'message',
      type: 'command',
      name: 'work_1',
      content: { parameters: { text: 'x' } },
    });
  });
});
