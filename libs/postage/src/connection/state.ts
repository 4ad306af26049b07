/** The life of one supervised connection. */
export type ConnectionState =
  /** Nobody needed it yet. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly attempt: number }
  /** Open, and everything that lives on it (topology, qos, consumers) is in place. */
  | {
      readonly kind: 'ready';
      readonly address: string;
      readonly sinceMs: number;
      readonly blocked?: Blocked | undefined;
    }
  /** Between two attempts. */
  | { readonly kind: 'waiting'; readonly attempt: number; readonly retryInMs: number; readonly error: Error }
  /** Refused for a reason that waiting does not cure; the next use tries again. */
  | { readonly kind: 'failed'; readonly error: Error }
  | { readonly kind: 'closed' };

/** The broker has stopped reading from publishers (memory or disk alarm). @see https://www.rabbitmq.com/docs/connection-blocked */
export interface Blocked {
  readonly reason: string;
  readonly sinceMs: number;
}
