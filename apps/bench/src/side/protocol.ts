import type { Setting } from './peer.js';

export type Role = 'replier' | 'caller' | 'publisher' | 'consumer';

/** What a consumer's handlers do with the messages. */
export type MeterRequest =
  /** Note when so many messages have been handled. Between `hold` and `release` they count when they come. */
  | { readonly kind: 'count'; readonly marks: readonly number[] }
  /** Note how long each has been under way. */
  | { readonly kind: 'latency' }
  /** Keep it: no handler ends before `release`. */
  | { readonly kind: 'hold' };

export interface Load {
  readonly parameterBytes: number;
  readonly inFlight: number;
  /** Whichever comes first. */
  readonly seconds?: number;
  readonly count?: number;
}

export interface LoadResult {
  readonly count: number;
  readonly elapsedMs: number;
  readonly cpuMicros: number;
}

/** When a number of messages had been handled. */
export interface Mark {
  readonly count: number;
  readonly atMs: number;
  readonly cpuMicros: number;
}

export interface Memory {
  readonly rssBytes: number;
  /** Of objects, and of buffers outside the heap, after garbage collection. */
  readonly usedBytes: number;
}

/** What the program can ask a process to do, and what it answers. Times are those of `clockMs`. */
export interface Commands {
  start: {
    readonly request: { readonly role: Role; readonly setting: Setting; readonly meter?: MeterRequest };
    readonly response: { readonly calledAtMs: number };
  };
  /** Calls, or publishes, in a closed loop. */
  load: { readonly request: Load; readonly response: LoadResult };
  /** Publishes so many messages in every second, and resolves once all are confirmed. */
  pace: {
    readonly request: {
      readonly perSecond: number;
      readonly seconds: number;
      readonly parameterBytes: number;
    };
    readonly response: { readonly count: number; readonly elapsedMs: number };
  };
  /** Starts calls whose replies nobody waits for. */
  abandon: {
    readonly request: { readonly count: number; readonly parameterBytes: number };
    readonly response: null;
  };
  /** Waits until the consumer has handled (`hold`: received) so many messages. */
  handled: { readonly request: { readonly count: number }; readonly response: Mark };
  /** Of the messages since the last time, once there are so many. */
  latencies: {
    readonly request: { readonly count: number };
    readonly response: { readonly p50Ms: number; readonly p99Ms: number };
  };
  /** From now on no handler ends (`count`: nor has one begun that has not ended). Says how many messages have been handled. */
  hold: { readonly request: null; readonly response: { readonly count: number } };
  /** The handlers end that wait, and no further one waits. */
  release: { readonly request: { readonly marks: readonly number[] }; readonly response: null };
  cpu: { readonly request: null; readonly response: { readonly cpuMicros: number } };
  memory: { readonly request: null; readonly response: Memory };
  stop: { readonly request: null; readonly response: null };
}

export type CommandName = keyof Commands;

export interface Request<K extends CommandName = CommandName> {
  readonly id: number;
  readonly name: K;
  readonly request: Commands[K]['request'];
}

export type Response =
  | { readonly id: number; readonly ok: true; readonly response: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string };
