import type { ConnectionSnapshot, PostageConnection } from '../connection/connection.js';
import type { ConnectionState } from '../connection/state.js';
import type { ConsumerSnapshot } from '../consumer/consumed-queues.js';
import type { GenericConsumer } from '../consumer/generic-consumer.js';
import type { RpcCaller } from '../producer/rpc-caller.js';
import type { RpcSnapshot } from '../producer/rpc-snapshot.js';
import type { PhaseTracker, PostagePhase } from './phase.js';

type WithText<S> = S extends { readonly error: Error } ? Omit<S, 'error'> & { readonly error: string } : S;

/**
 * A connection, as plain data: `kind`, since when it is ready, or not (`sinceMs`, as `Date.now()`), which attempt, where to
 * (never with credentials), whether the broker blocks it and why, and the last error's message.
 */
export type ConnectionStatus = WithText<ConnectionState> & { readonly sinceMs: number };

/** Everything about one messaging at one moment: plain, frozen, ready for JSON. */
export interface PostageSnapshot {
  readonly phase: PostagePhase;
  /**
   * It works as it should: every queue that is to be consumed is (those that are paused are as they should be), and neither
   * connection is down. Of a program that consumes nothing: it can send, or has not tried to yet.
   */
  readonly ready: boolean;
  readonly connections: { readonly publishing: ConnectionStatus; readonly consuming: ConnectionStatus };
  readonly consumers: readonly ConsumerSnapshot[];
  /** What is consumed, and what is declared for that; run-time bindings included. */
  readonly topology: {
    readonly exchanges: readonly string[];
    readonly queues: readonly string[];
    readonly bindings: number;
  };
  readonly rpc: RpcSnapshot;
  /** `pending`: publishes that have not settled yet. */
  readonly publishing: { readonly pending: number } & Omit<
    ConnectionSnapshot,
    'publishing' | 'consuming' | 'pendingPublishes'
  >;
}

/** What a snapshot is taken of. */
export interface SnapshotSources {
  readonly phase: Pick<PhaseTracker, 'current' | 'isStartExpected'>;
  readonly connection: PostageConnection;
  readonly consumer: GenericConsumer;
  readonly rpc: RpcCaller;
  readonly sinceMs: Readonly<Record<'publishing' | 'consuming', number>>;
}

export const takeSnapshot = (sources: SnapshotSources): PostageSnapshot => {
  const { phase, connection, consumer, rpc, sinceMs } = sources;
  const { publishing, consuming, pendingPublishes, ...further } = connection.snapshot;
  const consumers = consumer.snapshot;
  return frozen({
    phase: phase.current,
    ready: isReady(sources),
    connections: {
      publishing: statusOf(publishing, sinceMs.publishing),
      consuming: statusOf(consuming, sinceMs.consuming),
    },
    consumers,
    topology: topologyOf(consumer),
    rpc: rpc.snapshot,
    publishing: { pending: pendingPublishes, ...further },
  });
};

/** What makes it another one for those that follow changes: not what every message changes. */
export const identityOf = ({
  consumers,
  rpc: _rpc,
  publishing: _publishing,
  ...rest
}: PostageSnapshot): string =>
  JSON.stringify([
    rest,
    consumers.map(({ queue, attached, paused, prefetch }) => [queue, attached, paused, prefetch]),
  ]);

const isReady = ({ phase, connection: { snapshot }, consumer }: SnapshotSources): boolean => {
  if (!isUp(snapshot.publishing)) return false;
  // With handlers there is something to start, too.
  if (phase.current === 'idle') return !phase.isStartExpected && consumer.patterns.length === 0;
  if (phase.current !== 'running' || snapshot.consuming.kind !== 'ready') return false;
  return consumer.snapshot.every(({ attached, paused }) => attached || paused);
};

/** It is there, or nobody has needed it, or is just being opened. */
const isUp = (state: ConnectionState): boolean =>
  state.kind === 'idle' || state.kind === 'ready' || (state.kind === 'connecting' && state.attempt === 1);

const statusOf = (state: ConnectionState, sinceMs: number): ConnectionStatus =>
  'error' in state
    ? { ...state, sinceMs, error: withoutCredentials(state.error.message) }
    : { sinceMs, ...state };

/** Ours have none; those of a function that gives the options, and of drivers, say what they like. */
const withoutCredentials = (text: string): string => text.replaceAll(/\b(amqps?:\/\/)\S*@/gi, '$1***@');

const topologyOf = ({ topologies }: GenericConsumer): PostageSnapshot['topology'] => {
  const exchanges = topologies.flatMap((topology) => topology.exchanges.map(({ name }) => name));
  const queues = topologies.flatMap((topology) => topology.queues.map(({ name }) => name));
  const bindings = topologies.reduce((sum, topology) => sum + topology.bindings.length, 0);
  return { exchanges: [...new Set(exchanges)], queues: [...new Set(queues)], bindings };
};

const frozen = <T extends object>(value: T): T => {
  for (const part of Object.values(value))
    if (typeof part === 'object' && part !== null) frozen(part as object);
  return Object.freeze(value);
};
