import { describe, expect, it } from 'vitest';
import { checkPattern, HandlerTable, type Handler, type HandlerPattern } from './handlers.js';

const handler = (label: string, pattern: HandlerPattern): Handler => ({
  pattern,
  label,
  filters: [],
  repliesItself: false,
  invoke: async () => undefined,
});

const labels = (found: readonly Handler[]): string[] => found.map(({ label }) => label);

describe('HandlerTable', () => {
  it('finds every message handler of a triple, named and unnamed', () => {
    const table = new HandlerTable([
      handler('one', { category: 'message', type: 'status', name: 'online' }),
      handler('two', { category: 'message', type: 'status', name: 'online' }),
      handler('any', { category: 'message', type: 'status' }),
      handler('other', { category: 'message', type: 'command', name: 'online' }),
      handler('rpc', { category: 'rpc', type: 'status', name: 'online' }),
    ]);
    expect(labels(table.find('message', 'status', 'online'))).toEqual(['one', 'two', 'any']);
    expect(labels(table.find('message', 'status', 'online'))).toEqual(['one', 'two', 'any']);
    expect(labels(table.find('message', 'status', 'offline'))).toEqual(['any']);
    expect(labels(table.find('message', 'status', { load: 3 }))).toEqual(['any']);
    expect(table.find('message', 'none', 'online')).toEqual([]);
  });

  it('answers an rpc by the handler that names it, before the one for any name', () => {
    const table = new HandlerTable([
      handler('any', { category: 'rpc', type: 'command' }),
      handler('sum', { category: 'rpc', type: 'command', name: 'sum' }),
    ]);
    expect(labels(table.find('rpc', 'command', 'sum'))).toEqual(['sum']);
    expect(labels(table.find('rpc', 'command', 'product'))).toEqual(['any']);
  });

  it('refuses a second rpc handler for one pattern, naming both', () => {
    const pattern = { category: 'rpc', type: 'command', name: 'sum' } as const;
    expect(() => new HandlerTable([handler('A.sum', pattern), handler('B.add', pattern)])).toThrow(
      expect.objectContaining({
        code: 'DUPLICATE_HANDLER',
        handlers: ['A.sum', 'B.add'],
        pattern: 'rpc command "sum"',
      }),
    );
  });

  it('keeps types and names apart, whatever they hold', () => {
    const table = new HandlerTable([handler('x', { category: 'message', type: 'a\nb', name: 'c' })]);
    expect(table.find('message', 'a', '\nbc')).toEqual([]);
    expect(labels(table.find('message', 'a\nb', 'c'))).toEqual(['x']);
    expect(table.find('message', 'constructor', '__proto__')).toEqual([]);
  });

  it('remembers nothing of names that nobody handles', () => {
    const table = new HandlerTable([handler('any', { category: 'message', type: 'status' })]);
    for (let index = 0; index < 1_000; index += 1) table.find('message', 'status', `name ${index}`);
    expect(labels(table.find('message', 'status', 'name 7'))).toEqual(['any']);
  });
});

describe('checkPattern', () => {
  it('wants a type, and a text for a name', () => {
    expect(() => checkPattern({ category: 'rpc', type: '' }, 'RpcHandler')).toThrow(
      expect.objectContaining({ option: 'RpcHandler' }),
    );
    expect(() => checkPattern({ category: 'rpc', type: 'command', name: 5 as never }, 'RpcHandler')).toThrow(
      'a text',
    );
  });
});
