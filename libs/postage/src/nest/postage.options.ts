import type { ApplicationOptions } from '../application/application-options.js';
import type { ConnectionProvider } from '../connection/connection-source.js';
import type { BackoffOptions } from '../connection/backoff.js';
import type { ConnectionOptions } from '../connection/options.js';
import type { Driver } from '../connection/port.js';
import type { PublishingOptions } from '../connection/publish-policy.js';
import type { StartupMode, StartupOptions } from '../connection/startup.js';
import type { RecentCallsOptions } from '../consumer/recent-calls-options.js';
import type { RetryPolicy } from '../consumer/retry-options.js';
import type { Observer } from '../observability/observer.js';
import type { RemoteErrorDefinition } from '../producer/remote-errors.js';
import type { Eqk } from '../topology/binding.js';
import type { Compatibility, QueueSpec } from '../topology/queue.js';
import type { Encoder } from '../wire/encoder.js';
import type { FingerprintOptions } from '../wire/fingerprint.js';

/** How one application uses one broker. All of it is optional. */
export interface PostageOptions {
  /** Connection options, a function asked for them at every connect, or a broker of its own such as `MemoryBroker`. */
  readonly connection?: ConnectionOptions | ConnectionProvider | Driver | undefined;
  /** Who we are: sent with every message, and the name of our connections. @default the name of the started script */
  readonly fingerprint?: FingerprintOptions | undefined;
  /** Queues for handlers that belong to no `@Processor` with an eqk of its own. */
  readonly eqk?: Eqk | undefined;
  /** Makes this program a component that others can address, by the name of its fingerprint. @default it is none */
  readonly application?: ApplicationOptions | undefined;
  /** How messages are written, and read when they carry no content type. @default JsonEncoder */
  readonly encoder?: Encoder | undefined;
  /** Further encoders for reading: the one with the message's content type is taken. */
  readonly encoders?: readonly Encoder[] | undefined;
  /** Larger messages are refused before they are parsed. @default 16 MiB */
  readonly maxMessageBytes?: number | undefined;
  /** How many messages of each queue are handled at once, unless the processor says otherwise. @default 32 */
  readonly prefetch?: number | undefined;
  /** When messages are handled again that a handler failed at, unless handler or processor say otherwise. @default false */
  readonly retry?: RetryPolicy | false | undefined;
  /**
   * Where messages go that nobody handles any more, unless the processor says otherwise: a queue, or its name; `true`: one for
   * each queue, named after it, with `.dead` at the end, but for queues that go with their process; `false`: they are rejected.
   * @default `true` for queues with retries and without a dead-letter exchange, else `false`
   */
  readonly deadLetter?: boolean | QueueSpec | undefined;
  /** How long closing waits for running handlers, in milliseconds. @default 10_000 */
  readonly drainTimeoutMs?: number | undefined;
  /** `python`: queues are declared as Python Postage declares them, for clusters shared with it. @default 'none' */
  readonly compatibility?: Compatibility | undefined;
  /** The waits between attempts to reconnect. */
  readonly reconnect?: BackoffOptions | undefined;
  /** What starting does while the broker can not be reached. @default 'wait' */
  readonly startup?: StartupMode | StartupOptions | undefined;
  /** What becomes of messages that can not be sent at once. */
  readonly publishing?: PublishingOptions | undefined;
  /** How many rpcs may wait for their replies at once; further ones wait for their turn within their own deadline. @default 1_000 */
  readonly maxReplyQueues?: number | undefined;
  /** How long a reply queue that no call uses is kept, in milliseconds. @default 60_000 */
  readonly replyQueueIdleMs?: number | undefined;
  /** How a repeated call is known again, so that its handler runs once; `false`: it runs again. @default {} */
  readonly recentCalls?: RecentCallsOptions | false | undefined;
  /** Errors of repliers that `unwrap()` throws as what they are: classes, or names with a function. @default [] */
  readonly errors?: readonly RemoteErrorDefinition[] | undefined;
  /** Write what happens to Nest's logger. @default true */
  readonly log?: boolean | undefined;
  /** Log every message in and out, payload included. @default true when `POSTAGE_DEBUG_MODE=true` */
  readonly debug?: boolean | undefined;
  /** Told of everything that happens, as data; whatever it throws is swallowed. */
  readonly observer?: Observer | undefined;
}

/** Options of `new PostageServer(...)`: those above, with the connection's fields beside them if you like. */
export interface PostageServerOptions extends PostageOptions, ConnectionOptions {}
