import { Subject, type Observable } from 'rxjs';
import type { ConnectionState } from '../connection/state.js';
import type { PostageConnection } from '../connection/connection.js';
import type { GenericConsumer } from '../consumer/generic-consumer.js';
import type { Observer, PostageEvent } from '../observability/observer.js';
import type { RpcCaller } from '../producer/rpc-caller.js';
import { GuardedObservable } from './guarded-observable.js';
import type { PhaseTracker } from './phase.js';
import { identityOf, takeSnapshot, type PostageSnapshot } from './postage.snapshot.js';

export interface PostageStateSources {
  readonly phase: PhaseTracker;
  readonly connection: PostageConnection;
  readonly consumer: GenericConsumer;
  readonly rpc: RpcCaller;
  readonly observer: Observer;
  /** Everything that is told to observers. */
  readonly observe: (listener: Observer) => unknown;
}

/** Where everything stands: connections, consumers, topology, calls. Opens no connection. */
export class PostageState {
  /**
   * The snapshot of now for whoever subscribes, then one per change: of the phase, a connection (lost, blocked, back, another
   * attempt), a consumer (attached, lost, paused, resumed), the topology. What every message changes (`inFlight`, `unhandled`,
   * `rpc`, `publishing`) is up to date in it, and no change. Never errors; completes when all is closed. What a
   * subscriber throws is reported as `internal.failure`.
   */
  readonly changes: Observable<PostageSnapshot>;
  readonly #sources: PostageStateSources;
  readonly #changes = new Subject<PostageSnapshot>();
  /** Since when each connection is ready, or is not. */
  readonly #since: Record<Role, { isReady: boolean; atMs: number }> = {
    publishing: { isReady: false, atMs: Date.now() },
    consuming: { isReady: false, atMs: Date.now() },
  };
  #identity: string;
  #isStale = false;
  #isTelling = false;

  constructor(sources: PostageStateSources) {
    this.#sources = sources;
    this.#identity = identityOf(this.snapshot);
    const report = (error: unknown): void =>
      sources.observer({ kind: 'internal.failure', where: 'a subscriber of the state', error });
    this.changes = new GuardedObservable(report, (subscriber) => {
      const identity = this.#identity;
      subscriber.next(this.snapshot);
      // It may have changed something.
      if (identity !== this.#identity) subscriber.next(this.snapshot);
      return this.#changes.subscribe(subscriber);
    });
    this.#follow();
  }

  /** All of it at this moment: plain, frozen, ready for JSON, without credentials. */
  get snapshot(): PostageSnapshot {
    const { phase, connection, consumer, rpc } = this.#sources;
    const sinceMs = { publishing: this.#since.publishing.atMs, consuming: this.#since.consuming.atMs };
    return takeSnapshot({ phase, connection, consumer, rpc, sinceMs });
  }

  #follow(): void {
    const { connection, phase, observe } = this.#sources;
    for (const role of ROLES) connection[role].onState((state) => this.#onConnection(role, state));
    observe((event) => {
      if (isChange(event)) this.#tell();
    });
    phase.onChange(() => {
      this.#tell();
      if (phase.current === 'closed') this.#changes.complete();
    });
  }

  #onConnection(role: Role, { kind }: ConnectionState): void {
    const isReady = kind === 'ready';
    if (this.#since[role].isReady !== isReady) this.#since[role] = { isReady, atMs: Date.now() };
    this.#tell();
  }

  /** One after the other, also where a subscriber causes the next change. */
  #tell(): void {
    this.#isStale = true;
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      while (this.#isStale) this.#tellOnce();
    } finally {
      this.#isTelling = false;
    }
  }

  #tellOnce(): void {
    this.#isStale = false;
    const { snapshot } = this;
    const identity = identityOf(snapshot);
    if (identity === this.#identity) return;
    this.#identity = identity;
    this.#changes.next(snapshot);
  }
}

const ROLES = ['publishing', 'consuming'] as const;
type Role = (typeof ROLES)[number];

/** Not what every message brings about. */
const isChange = ({ kind }: PostageEvent): boolean => /^(connection|consumer|group)\./.test(kind);
