import { describe, expect, it } from 'vitest';
import { UsageError } from './command-line.js';
import { PEERS } from './peers.js';
import { choose } from './selection.js';
import { WORKS } from './works/index.js';
import { contendersOf } from './works/work.js';

const ALL = { works: WORKS, peers: PEERS };

const names = (only: readonly string[], quick = false): { works: string[]; peers: string[] } => {
  const { works, peers } = choose(ALL, { only, quick });
  return { works: works.map(({ id }) => id), peers: peers.map(({ id }) => id) };
};

const everyWork = WORKS.map(({ id }) => id);
const everyPeer = PEERS.map(({ id }) => id);

describe('choose', () => {
  it('takes all works and peers where nothing is named', () => {
    expect(names([])).toEqual({ works: everyWork, peers: everyPeer });
  });

  it('takes a few works, and all peers, for a quick run', () => {
    expect(names([], true)).toEqual({
      works: ['rpc-1-100b', 'rpc-100-100b', 'publish-100-100b', 'drain-100-100b'],
      peers: everyPeer,
    });
  });

  it('takes works by name, or by the beginning of it', () => {
    expect(names(['startup']).works).toEqual(['startup']);
    expect(names(['rpc-100']).works).toEqual(['rpc-100-100b', 'rpc-100-1kb']);
    expect(names(['latency', 'handlers']).works).toEqual(['latency-100b', 'latency-1kb', 'handlers']);
  });

  it('measures a work that is named in a quick run, too', () => {
    expect(names(['startup', 'bare'], true)).toEqual({ works: ['startup'], peers: ['bare'] });
  });

  it('takes peers by their full name only', () => {
    expect(names(['nest', 'postage'])).toEqual({ works: everyWork, peers: ['postage', 'nest'] });
  });

  it('refuses a name that is nobody’s', () => {
    expect(() => names(['rp'])).toThrow(UsageError);
    expect(() => names(['bare', 'kafka'])).toThrow('there is no work and no peer "kafka"');
  });
});

describe('contendersOf', () => {
  const contenders = (id: string): string[] =>
    WORKS.filter((work) => work.id === id).flatMap((work) => contendersOf(work, PEERS).map((one) => one.id));

  const without = (...ids: readonly string[]): string[] => everyPeer.filter((id) => !ids.includes(id));

  it('are the peers that can do the work', () => {
    expect(contenders('rpc-1-100b')).toEqual(everyPeer);
    expect(contenders('rpc-100-100b')).toEqual(without('nest-acks'));
    expect(contenders('publish-100-100b')).toEqual(without('nest-acks', 'bare-confirms'));
    expect(contenders('drain-100-100b')).toEqual(without('nest-acks', 'bare-confirms', 'nest'));
  });

  it('are each of them in every variant', () => {
    expect(contenders('handlers')).toEqual(
      [1, 100, 1_000].flatMap((count) => ['postage', 'bare', 'nest-tuned'].map((id) => `${id}@${count}`)),
    );
  });
});
