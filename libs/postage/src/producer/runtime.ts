import type { PostageConnection } from '../connection/connection.js';
import type { Observer } from '../observability/observer.js';
import type { Eks } from '../topology/binding.js';
import type { Codec } from '../wire/codec.js';
import type { FingerprintDict } from '../wire/fingerprint.js';
import type { RemoteErrors } from './remote-errors.js';
import type { RpcCaller } from './rpc-caller.js';

/** What an application shares between its producers. */
export interface MessagingRuntime {
  readonly connection: PostageConnection;
  readonly codec: Codec;
  readonly rpc: RpcCaller;
  /** What failed calls are thrown as. */
  readonly errors: RemoteErrors;
  readonly fingerprint: FingerprintDict;
  readonly observer: Observer;
  /** Report every message in and out, payload included (`POSTAGE_DEBUG_MODE`). */
  readonly debug: boolean;
}

/** What one producer has of its own. */
export interface ProducerSettings {
  /** Shown in errors. */
  readonly name: string;
  readonly eks: Eks;
  readonly codec: Codec;
}
