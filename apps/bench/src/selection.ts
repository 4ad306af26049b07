import { UsageError } from './command-line.js';
import type { PeerDefinition } from './peers.js';
import type { Work } from './works/work.js';

export interface Choice {
  readonly works: readonly Work[];
  readonly peers: readonly PeerDefinition[];
}

const isNamed = ({ id }: { readonly id: string }, name: string): boolean =>
  id === name || id.startsWith(`${name}-`);

/**
 * Works and peers by their names. Without a name of a peer all peers take part; without a name of a work it is all works,
 * or the quick ones.
 * @throws {UsageError} a name is nobody's
 */
export const choose = (all: Choice, { only, quick }: { only: readonly string[]; quick: boolean }): Choice => {
  const peers = all.peers.filter(({ id }) => only.includes(id));
  const names = only.filter((name) => !peers.some(({ id }) => id === name));
  const stranger = names.find((name) => !all.works.some((work) => isNamed(work, name)));
  if (stranger !== undefined)
    throw new UsageError(`there is no work and no peer "${stranger}"; see npm run bench -- --list`);
  const works = all.works.filter((work) =>
    names.length === 0 ? !quick || work.isQuick === true : names.some((name) => isNamed(work, name)),
  );
  return { works, peers: peers.length === 0 ? all.peers : peers };
};
