import { longTimeout } from '../connection/long-timeout.js';
import type { Supervisor } from '../connection/supervisor.js';
import type { ConnectionState } from '../connection/state.js';
import { CallAbandonedError, ConnectionError } from '../errors.js';

export interface CallSignalOptions {
  /** How long the caller will wait, from now on; undefined: nobody knows. */
  readonly remainingMs: number | undefined;
  /** The connection that the answer goes out on. */
  readonly publishing: Pick<Supervisor, 'state' | 'onState' | 'wasReady'>;
  /** Somebody waits for an answer: the loss of that connection matters, not only its end. */
  readonly isRpc: boolean;
}

/** Tells a handler that nobody needs its work any more. Costs nothing until a handler asks for the signal. */
export class CallSignal {
  readonly #options: CallSignalOptions;
  readonly #startedMs = performance.now();
  #abort: AbortController | undefined;
  #stopTimer: (() => void) | undefined;
  #stopListening: (() => void) | undefined;
  #ended = false;

  constructor(options: CallSignalOptions) {
    this.#options = options;
  }

  /** How long the caller will still wait, in whole milliseconds, at least 0; undefined: nobody knows. */
  get remainingMs(): number | undefined {
    const { remainingMs } = this.#options;
    return remainingMs === undefined
      ? undefined
      : Math.max(0, Math.ceil(remainingMs - (performance.now() - this.#startedMs)));
  }

  /** The caller's deadline has passed: an answer would reach nobody, or somebody who has been told something else. */
  get isAbandoned(): boolean {
    // Timers may fire some microseconds early: what the handler has been told is what counts.
    return this.remainingMs === 0 || this.#abort?.signal.reason instanceof CallAbandonedError;
  }

  /** Whether this is what a handler throws that does as the signal says. */
  isReaction(error: unknown): boolean {
    const signal = this.#abort?.signal;
    if (!signal?.aborted || !(error instanceof Error)) return false;
    return error === signal.reason || error.cause === signal.reason || error.name === 'AbortError';
  }

  get signal(): AbortSignal {
    this.#abort ??= this.#start(new AbortController());
    return this.#abort.signal;
  }

  /**
   * Resolves when an answer could be sent, or nobody wants one any more. Whoever tries again before would only be told to
   * give up again.
   */
  async untilAnswerable(): Promise<void> {
    const { publishing } = this.#options;
    if (publishing.state.kind === 'ready' || publishing.state.kind === 'closed') return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stopListening();
        stopTimer();
        resolve();
      };
      const stopListening = publishing.onState(({ kind }) => {
        if (kind === 'ready' || kind === 'closed') done();
      });
      const stopTimer = longTimeout(done, this.remainingMs ?? Infinity);
    });
  }

  /** The handlers are done: nothing fires any more. */
  end(): void {
    this.#ended = true;
    this.#stopTimer?.();
    this.#stopListening?.();
  }

  #start(abort: AbortController): AbortController {
    if (this.#ended) return abort;
    const { remainingMs } = this;
    const { publishing } = this.#options;
    const onState = (state: ConnectionState): void => {
      const error = this.#reason(state);
      if (error) abort.abort(error);
    };
    onState(publishing.state);
    this.#stopListening = publishing.onState(onState);
    if (remainingMs === undefined) return abort;
    const onDeadline = (): void => abort.abort(new CallAbandonedError());
    if (remainingMs > 0) this.#stopTimer = longTimeout(onDeadline, remainingMs);
    else onDeadline();
    return abort;
  }

  #reason(state: ConnectionState): Error | undefined {
    if (state.kind === 'closed')
      return new ConnectionError('CONNECTION_CLOSED', 'the application has closed its connections');
    const { isRpc, publishing } = this.#options;
    // A connection that was never needed is not missed yet.
    const isLost = isRpc && state.kind !== 'ready' && publishing.wasReady;
    return isLost
      ? new ConnectionError('CONNECTION_LOST', 'the connection that the answer would go out on is lost')
      : undefined;
  }
}
