/** What both processes of a measurement agree on. */
export interface Setting {
  readonly url: string;
  /** Direct and durable. Each of the queues is bound to it with its own name as the key. */
  readonly exchange: string;
  /** Durable. */
  readonly queues: readonly [string, ...string[]];
  readonly prefetch: number;
  /** Of requests and messages; replies are transient everywhere. */
  readonly persistent: boolean;
  /** How many handlers a consumer registers: for the names that `handlerName` gives for 0, 1, 2, ... */
  readonly handlers: number;
}

/** The parameters of every call and message. */
export interface WorkParameters {
  readonly text: string;
  /** By `clockMs`. */
  readonly sentAtMs?: number;
}

/** What a handler does with a message; a promise means that it is not done yet. */
export type Handle = (parameters: WorkParameters) => Promise<void> | undefined;

export interface Side {
  close(): Promise<void>;
}

export interface Caller extends Side {
  /** Resolves with the parameters, which the replier has sent back. */
  call(parameters: WorkParameters): Promise<unknown>;
}

export interface Publisher extends Side {
  /** Resolves once the broker has confirmed. */
  publish(parameters: WorkParameters): Promise<unknown>;
}

/** A library, or a way to use it, as each of the two programs that a user would have. All of them are running when they are returned. */
export interface Peer {
  startReplier(setting: Setting): Promise<Side>;
  startCaller(setting: Setting): Promise<Caller>;
  startPublisher(setting: Setting): Promise<Publisher>;
  startConsumer(setting: Setting, handle: Handle): Promise<Side>;
}

export const handlerName = (index: number): string => (index === 0 ? 'work' : `work_${index}`);

const FRAME_BYTES = JSON.stringify({ text: '' }).length;

/** Parameters that take so many bytes as JSON. */
export const parametersOf = (bytes: number): WorkParameters => ({
  text: 'x'.repeat(Math.max(0, bytes - FRAME_BYTES)),
});
