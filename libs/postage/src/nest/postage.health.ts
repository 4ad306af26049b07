import type { PostageSnapshot } from './postage.snapshot.js';
import type { PostageState } from './postage.state.js';

/** What `@nestjs/terminus` takes for the result of an indicator. */
export type PostageHealthResult<Key extends string = string> = Record<
  Key,
  { readonly status: 'up' | 'down' } & PostageHealthDetails
>;

export interface PostageHealthDetails {
  readonly phase: string;
  /** The kinds of their states. */
  readonly publishing: string;
  readonly consuming: string;
  /** Queues that should be consumed, and are not. */
  readonly missing: readonly string[];
  readonly paused: readonly string[];
  /** The broker takes no messages: why. That alone does not make it `down`. */
  readonly blocked?: string;
  /** Why a connection is not there. */
  readonly error?: string;
}

/**
 * For health checks, with `@nestjs/terminus` or without: says what is known, and opens no connection.
 *
 * ```ts
 * health.check([() => postage.isReady()])
 * ```
 */
export class PostageHealthIndicator {
  readonly #state: PostageState;

  constructor(state: PostageState) {
    this.#state = state;
  }

  /** Up: it works as it should (`PostageSnapshot.ready`). For readiness: what is down may come back by itself. */
  async isReady<const Key extends string = 'postage'>(key?: Key): Promise<PostageHealthResult<Key>> {
    const { snapshot } = this.#state;
    return resultOf(key, snapshot.ready, snapshot);
  }

  /** Down: it will never consume again, since it is closed, or its start was refused for good. For liveness. */
  async isAlive<const Key extends string = 'postage'>(key?: Key): Promise<PostageHealthResult<Key>> {
    const { snapshot } = this.#state;
    // The connection for publishing is tried again, also after a refusal.
    const isOver = snapshot.phase === 'closed' || snapshot.connections.consuming.kind === 'failed';
    return resultOf(key, !isOver, snapshot);
  }
}

const resultOf = <Key extends string>(
  key: Key | undefined,
  isUp: boolean,
  snapshot: PostageSnapshot,
): PostageHealthResult<Key> => {
  const result = { status: isUp ? ('up' as const) : ('down' as const), ...detailsOf(snapshot) };
  // Where no key is given, `Key` is the default's type.
  return { [key ?? 'postage']: result } as PostageHealthResult<Key>;
};

const detailsOf = ({ phase, connections, consumers }: PostageSnapshot): PostageHealthDetails => {
  const { publishing, consuming } = connections;
  const missing = consumers.filter(({ attached, paused }) => !attached && !paused);
  const blocked = publishing.kind === 'ready' ? publishing.blocked?.reason : undefined;
  const [error] = [consuming, publishing].flatMap((status) => ('error' in status ? [status.error] : []));
  return {
    phase,
    publishing: publishing.kind,
    consuming: consuming.kind,
    missing: missing.map(({ queue }) => queue),
    paused: consumers.filter(({ paused }) => paused).map(({ queue }) => queue),
    ...(blocked === undefined ? {} : { blocked }),
    ...(error === undefined ? {} : { error }),
  };
};
