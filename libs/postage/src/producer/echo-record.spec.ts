import { describe, expect, it } from 'vitest';
import type { PublishTarget } from '../errors.js';
import { EchoRecord } from './echo-record.js';

const target: PublishTarget = { exchange: 'work', routingKey: 'k' };

const note = (record: EchoRecord, at: PublishTarget, echoes: number): void => {
  for (let count = 0; count < echoes; count += 1) record.note(at, true);
};

/** How many replies in a row with an id it takes from here; a power of two times 100. */
const neededFor = (record: EchoRecord, at: PublishTarget): number => {
  let count = 0;
  for (; !record.has(at); count += 1) record.note(at, true);
  return count;
};

describe('EchoRecord', () => {
  it('takes a target for one that echoes ids after 100 replies in a row', () => {
    const record = new EchoRecord();
    expect(record.has(target)).toBe(false);
    note(record, target, 99);
    expect(record.has(target)).toBe(false);
    note(record, target, 1);
    expect(record.has(target)).toBe(true);
    note(record, target, 1_000);
    expect(record.has(target)).toBe(true);
  });

  it('begins anew with every reply without an id', () => {
    const record = new EchoRecord();
    note(record, target, 99);
    record.note(target, false);
    expect(neededFor(record, target)).toBe(100);
    record.note(target, false);
    expect(record.has(target)).toBe(false);
  });

  it('asks for twice as many each time that the proof was none', () => {
    const record = new EchoRecord();
    note(record, target, 100);
    record.note(target, false);
    expect(neededFor(record, target)).toBe(200);
    note(record, target, 1_000);
    record.note(target, false);
    expect(neededFor(record, target)).toBe(400);
  });

  it('asks for no more of one that has never echoed an id, or of many calls that one reply may be for', () => {
    const record = new EchoRecord();
    for (let count = 0; count < 10; count += 1) record.note(target, false);
    expect(neededFor(record, target)).toBe(100);
    // In between come the replies to calls that were on their way.
    for (let count = 0; count < 10; count += 1) {
      record.note(target, false);
      record.note(target, true);
    }
    expect(neededFor(record, target)).toBe(199);
  });

  it('asks for a million at most: who has changed for good is believed some day', () => {
    const record = new EchoRecord();
    for (let count = 0; count < 20; count += 1) {
      neededFor(record, target);
      record.note(target, false);
    }
    expect(neededFor(record, target)).toBe(2 ** 20);
  });

  it('knows nothing of a target by what others do', () => {
    const record = new EchoRecord();
    const others = [
      { exchange: 'work', routingKey: 'other' },
      { exchange: 'other', routingKey: 'k' },
    ];
    note(record, target, 100);
    for (const other of others) record.note(other, false);
    expect(record.has(target)).toBe(true);
    expect(others.map((other) => record.has(other))).toEqual([false, false]);
  });

  it.for([
    ['ab', 'c', 'a', 'bc'],
    ['', 'ab', 'ab', ''],
    ['a', 'b.c', 'a.b', 'c'],
    ['a', '', '', 'a'],
    ['a', '\nb', 'a', 'b'],
  ] as const)('keeps exchange %j with key %j apart from %j with %j', ([exchange, routingKey, ...other]) => {
    const record = new EchoRecord();
    note(record, { exchange, routingKey }, 100);
    expect(record.has({ exchange: other[0], routingKey: other[1] })).toBe(false);
    expect(record.has({ exchange, routingKey })).toBe(true);
  });

  it('looks at nothing but exchange and key', () => {
    const record = new EchoRecord();
    for (let count = 0; count < 100; count += 1) record.note({ ...target, messageId: `m${count}` }, true);
    expect([record.has(target), record.size]).toEqual([true, 1]);
  });

  it('remembers 10,000 targets and forgets the oldest, which has to prove itself again', () => {
    const record = new EchoRecord();
    const named = (index: number): PublishTarget => ({ exchange: 'work', routingKey: `k${index}` });
    record.note(named(0), false);
    note(record, named(1), 100);
    for (let index = 2; index < 10_000; index += 1) record.note(named(index), true);
    expect([record.size, record.has(named(1))]).toEqual([10_000, true]);
    record.note(named(10_000), true);
    expect([record.size, record.has(named(1))]).toEqual([10_000, true]);
    record.note(named(10_001), true);
    expect([record.size, record.has(named(1))]).toEqual([10_000, false]);
    expect(neededFor(record, named(0))).toBe(100);
    expect(neededFor(record, named(1))).toBe(100);
    expect(record.size).toBe(10_000);
  });

  it('forgets those first of which nothing came for the longest time, not those it has known longest', () => {
    const record = new EchoRecord();
    const named = (index: number): PublishTarget => ({ exchange: 'work', routingKey: `k${index}` });
    note(record, named(0), 100);
    note(record, named(1), 100);
    for (let index = 2; index < 10_000; index += 1) record.note(named(index), true);
    record.note(named(0), true);
    record.note(named(10_000), true);
    expect([record.size, record.has(named(0)), record.has(named(1))]).toEqual([10_000, true, false]);
  });

  it('asking adds nothing', () => {
    const record = new EchoRecord();
    for (let index = 0; index < 100; index += 1) record.has({ exchange: 'work', routingKey: `k${index}` });
    expect(record.size).toBe(0);
  });
});
