import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FingerprintDict } from '../wire/fingerprint.js';
import { Address } from './address.js';
import { Fleet } from './fleet.js';

const fingerprintOf = (pid: string | number, host = 'h'): FingerprintDict => ({
  name: 'member',
  type: 'application',
  pid: String(pid),
  host,
  user: 'u',
  vhost: '/',
});
const idsOf = (fleet: Fleet): readonly string[] => fleet.members(0).map(({ id }) => id);
/** Each member's state at a time, by its id. */
const statesAt = (fleet: Fleet, nowMs: number): Readonly<Record<string, string>> =>
  Object.fromEntries(fleet.members(nowMs).map(({ id, state }) => [id, state]));

describe('Fleet', () => {
  it('knows nobody at first', () => {
    expect(new Fleet().members(0)).toEqual([]);
  });

  it('knows whom it has seen, and when', () => {
    const fleet = new Fleet();

    expect(fleet.seen({ fingerprint: fingerprintOf(1), groups: ['eu'] }, 5_000)).toBe('1@h');

    expect(fleet.members(6_000)).toEqual([
      {
        id: '1@h',
        address: Address.unique(1, 'h'),
        fingerprint: fingerprintOf(1),
        groups: ['eu'],
        lastSeen: new Date(5_000),
        state: 'present',
      },
    ]);
  });

  it('tells processes apart by their id and host, and by nothing else', () => {
    const fleet = new Fleet();
    for (const fingerprint of [fingerprintOf(1), fingerprintOf(2), fingerprintOf(1, 'i')])
      fleet.seen({ fingerprint }, 0);
    fleet.seen({ fingerprint: { ...fingerprintOf(1), name: 'renamed', user: 'v', vhost: 'w' } }, 1);

    expect(idsOf(fleet)).toEqual(['2@h', '1@i', '1@h']);
    expect(fleet.members(1).at(-1)).toMatchObject({
      fingerprint: { name: 'renamed', user: 'v', vhost: 'w' },
      lastSeen: new Date(1),
    });
  });

  it('keeps groups when a later sighting does not tell them, and not when it does', () => {
    const fleet = new Fleet();
    const groupsAfter = (groups?: unknown): unknown => {
      fleet.seen({ fingerprint: fingerprintOf(1), groups }, 0);
      return fleet.members(0)[0]?.groups;
    };

    expect(groupsAfter()).toBeUndefined();
    expect(groupsAfter(['eu', 'us'])).toEqual(['eu', 'us']);
    expect(groupsAfter()).toEqual(['eu', 'us']);
    for (const nonsense of ['eu', 7, null, {}, [1], ['eu', null]])
      expect(groupsAfter(nonsense)).toEqual(['eu', 'us']);
    expect(groupsAfter([])).toEqual([]);
    expect(groupsAfter(['us'])).toEqual(['us']);
  });

  it('forgets who says good-bye, and says who that was', () => {
    const fleet = new Fleet();
    fleet.seen({ fingerprint: fingerprintOf(1) }, 0);
    fleet.seen({ fingerprint: fingerprintOf(2) }, 0);

    expect(fleet.gone({ pid: '1', host: 'h' })).toBe('1@h');

    expect(idsOf(fleet)).toEqual(['2@h']);
    expect(fleet.gone(fingerprintOf(1))).toBeUndefined();
    expect(fleet.gone(fingerprintOf(3))).toBeUndefined();
    expect(fleet.gone({})).toBeUndefined();
    expect(idsOf(fleet)).toEqual(['2@h']);
  });

  it('forgets groups and interval with whom they belong to', () => {
    const fleet = new Fleet();
    const fingerprint = fingerprintOf(1);
    fleet.seen({ fingerprint, groups: ['eu'], intervalMs: 10 }, 0);
    fleet.gone(fingerprint);
    fleet.seen({ fingerprint }, 0);

    expect(fleet.members(1_000_000)).toMatchObject([{ groups: undefined, state: 'present' }]);
  });

  it('strikes off whom it is told to', () => {
    const fleet = new Fleet();
    fleet.seen({ fingerprint: fingerprintOf(1) }, 0);
    fleet.seen({ fingerprint: fingerprintOf(2) }, 0);
    fleet.forget('1@h');
    fleet.forget('nobody');

    expect(idsOf(fleet)).toEqual(['2@h']);
  });

  it('misses who was silent, until it is seen again', () => {
    const fleet = new Fleet();
    fleet.seen({ fingerprint: fingerprintOf(1), groups: ['eu'] }, 7);
    fleet.seen({ fingerprint: fingerprintOf(2) }, 7);
    fleet.silent('1@h');

    expect(statesAt(fleet, 7)).toEqual({ '1@h': 'missing', '2@h': 'present' });
    expect(fleet.members(7)[0]).toMatchObject({
      fingerprint: fingerprintOf(1),
      groups: ['eu'],
      lastSeen: new Date(7),
    });
    fleet.seen({ fingerprint: fingerprintOf(1) }, 8);
    expect(statesAt(fleet, 8)).toEqual({ '1@h': 'present', '2@h': 'present' });
  });

  it('does not get to know anybody by silence', () => {
    const fleet = new Fleet();
    fleet.silent('1@h');

    expect(fleet.members(0)).toEqual([]);
  });
});

describe('Fleet, as time goes by', () => {
  it('misses whom it has not seen for more than three intervals', () => {
    const fleet = new Fleet();
    fleet.seen({ fingerprint: fingerprintOf(1), intervalMs: 100 }, 1_000);

    expect(statesAt(fleet, 1_300)).toEqual({ '1@h': 'present' });
    expect(statesAt(fleet, 1_301)).toEqual({ '1@h': 'missing' });
    fleet.seen({ fingerprint: fingerprintOf(1), intervalMs: 100 }, 1_301);
    expect(statesAt(fleet, 1_601)).toEqual({ '1@h': 'present' });
    expect(statesAt(fleet, 1_602)).toEqual({ '1@h': 'missing' });
  });

  it('measures each by its own interval', () => {
    const fleet = new Fleet();
    fleet.seen({ fingerprint: fingerprintOf(1), intervalMs: 100 }, 0);
    fleet.seen({ fingerprint: fingerprintOf(2), intervalMs: 1_000 }, 0);

    expect(statesAt(fleet, 1_000)).toEqual({ '1@h': 'missing', '2@h': 'present' });
  });

  it('keeps the interval when a later sighting does not tell it, as a ping does not', () => {
    const fleet = new Fleet();
    const fingerprint = fingerprintOf(1);
    fleet.seen({ fingerprint, intervalMs: 100 }, 0);
    fleet.seen({ fingerprint }, 1_000);
    expect([statesAt(fleet, 1_300), statesAt(fleet, 1_301)]).toEqual([
      { '1@h': 'present' },
      { '1@h': 'missing' },
    ]);

    fleet.seen({ fingerprint, intervalMs: 200 }, 2_000);
    expect([statesAt(fleet, 2_600), statesAt(fleet, 2_601)]).toEqual([
      { '1@h': 'present' },
      { '1@h': 'missing' },
    ]);
  });

  it.each([undefined, null, '100', 0, -1, Number.NaN, {}, [100]])(
    'never misses whose interval nobody knows: %j',
    (intervalMs) => {
      const fleet = new Fleet();
      fleet.seen({ fingerprint: fingerprintOf(1), intervalMs }, 0);

      expect(statesAt(fleet, Number.MAX_SAFE_INTEGER)).toEqual({ '1@h': 'present' });
    },
  );
});

describe('Fleet, told anything', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', '1@h'],
    ['a list', ['1', 'h']],
    ['nobody', {}],
    ['no process id', { host: 'h' }],
    ['no host', { pid: '1' }],
    ['a process id that is a number', { pid: 1, host: 'h' }],
    ['a host that is null', { pid: '1', host: null }],
  ])('ignores a fingerprint of %s', (_what, fingerprint) => {
    const fleet = new Fleet();

    expect(fleet.seen({ fingerprint, groups: ['eu'], intervalMs: 1 }, 0)).toBeUndefined();
    expect(fleet.gone(fingerprint)).toBeUndefined();
    expect(fleet.members(0)).toEqual([]);
  });

  it('fills in what a fingerprint does not tell, and drops what is none of it', () => {
    const fleet = new Fleet();
    const partial = { pid: '1', host: 'h', name: 7, type: {}, user: null, vhost: ['/'], secret: 'x' };
    fleet.seen({ fingerprint: partial }, 0);

    expect(fleet.members(0)[0]?.fingerprint).toEqual({
      name: null,
      type: null,
      pid: '1',
      host: 'h',
      user: '',
      vhost: '',
    });
  });

  it('does not change with what it was told', () => {
    const fleet = new Fleet();
    const fingerprint = { ...fingerprintOf(1) };
    fleet.seen({ fingerprint }, 0);
    Object.assign(fingerprint, { pid: '2', name: 'changed' });

    expect(fleet.members(0)).toMatchObject([{ id: '1@h', fingerprint: { pid: '1', name: 'member' } }]);
  });

  it('never throws, and keeps what has the shape of a member, whatever it is told', () => {
    const parts = ['name', 'type', 'pid', 'host', 'user', 'vhost', '__proto__', 'constructor'] as const;
    const record = fc.record(Object.fromEntries(parts.map((part) => [part, fc.anything()])), {
      requiredKeys: [],
    });
    const identified = fc.record({ pid: fc.string(), host: fc.string(), name: fc.anything() });
    const fingerprintArb = fc.oneof(
      fc.anything({ withNullPrototype: true, withSparseArray: true }),
      record,
      identified,
    );
    const sightingArb = fc.record(
      { fingerprint: fingerprintArb, groups: fc.anything(), intervalMs: fc.anything() },
      { requiredKeys: ['fingerprint'] },
    );
    fc.assert(
      fc.property(fc.array(sightingArb), fc.maxSafeNat(), (sightings, nowMs) => {
        const fleet = new Fleet();
        const ids = new Set<string | undefined>();
        for (const sighting of sightings) ids.add(fleet.seen(sighting, 0));
        ids.delete(undefined);
        const members = fleet.members(nowMs);
        expect(new Set(members.map(({ id }) => id))).toEqual(ids);
        for (const { id, fingerprint, groups, state } of members) {
          expect(id).toBe(`${fingerprint.pid}@${fingerprint.host}`);
          expect(Object.keys(fingerprint).toSorted()).toEqual([
            'host',
            'name',
            'pid',
            'type',
            'user',
            'vhost',
          ]);
          expect(groups === undefined || groups.every((group) => typeof group === 'string')).toBe(true);
          expect(['present', 'missing']).toContain(state);
        }
        for (const { fingerprint } of sightings) fleet.gone(fingerprint);
        expect(fleet.members(nowMs)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('remembers ten thousand, and drops who was not heard for the longest time', () => {
    const fleet = new Fleet();
    for (let pid = 0; pid < 10_000; pid += 1) fleet.seen({ fingerprint: fingerprintOf(pid) }, pid);
    expect(fleet.members(0)).toHaveLength(10_000);
    // Known already: nobody has to go. And from now on it is the one that was heard last.
    fleet.seen({ fingerprint: fingerprintOf(0) }, 10_000);
    expect(fleet.members(0)).toHaveLength(10_000);
    // Not to be heard is no sign of life.
    fleet.silent('1@h');

    expect(fleet.seen({ fingerprint: fingerprintOf(10_001) }, 10_001)).toBe('10001@h');
    fleet.seen({ fingerprint: fingerprintOf(10_002) }, 10_002);

    const ids = idsOf(fleet);
    expect(ids).toHaveLength(10_000);
    expect([ids[0], ...ids.slice(-3)]).toEqual(['3@h', '0@h', '10001@h', '10002@h']);
  });
});
