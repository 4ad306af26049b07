import { PublishError, RpcTimeoutError } from '../errors.js';
import type { ReplyAddress } from './reply-address.js';
import type { ReplyAddresses, ReplyPath } from './reply-addresses.js';
import { withPatience, type Patience } from './patience.js';
import type { CallClock } from './call-clock.js';
import type { RpcRequest } from './rpc-request.js';

/** Hands out slots and addresses to calls, within their deadlines. */
export class AddressDesk {
  readonly #addresses: ReplyAddresses;

  constructor(addresses: ReplyAddresses) {
    this.#addresses = addresses;
  }

  /** A place among the calls that may wait at once, if there is one right now. */
  tryTakeSlot(): boolean {
    const { slots } = this.#addresses;
    return slots.waiting === 0 && slots.tryTake();
  }

  /**
   * A place among the calls that may wait at once; those beyond the limit wait for one, at most as long as they would
   * have waited for replies.
   * @throws {RpcTimeoutError} there was none in time
   */
  async takeSlot(request: RpcRequest, clock: CallClock): Promise<void> {
    const { slots } = this.#addresses;
    const why = `since ${slots.max} calls were waiting for replies all that time (maxReplyQueues)`;
    const onLimit = (): Error => notSent(request, clock, why);
    const patience = { ...patienceOf(request), limitMs: clock.leftMs, onLimit };
    await withPatience(patience, (signal) => slots.take(signal));
  }

  releaseSlot(): void {
    this.#addresses.slots.release();
  }

  /** An address of a kind that will do, if one is ready right now. `echoes`: the target is known to echo correlation ids. */
  tryTake(messageId: string, echoes: boolean): ReplyAddress | undefined {
    return this.#addresses.tryTake(messageId, echoes);
  }

  /**
   * An address for this call alone, at once or after a wait for a connection.
   * @throws {PublishError} NOT_CONNECTED: there was no connection within the time of an attempt
   * @throws {RpcTimeoutError} there was one, but the broker had no address for us in time
   */
  async take(request: RpcRequest, clock: CallClock, path: ReplyPath): Promise<ReplyAddress> {
    const ready = path === 'queue' ? undefined : this.#addresses.tryTakeOnce();
    if (ready) return ready;
    const onLimit = (): Error | number => {
      const obstacle = this.#addresses.obstacle(path);
      if (obstacle) return new PublishError('NOT_CONNECTED', request.target, { cause: obstacle.cause });
      if (clock.leftMs > 0) return clock.leftMs;
      return notSent(request, clock, 'since the broker took that long to open a reply address');
    };
    const limitMs = Math.min(request.timeoutMs, clock.leftMs);
    return withPatience({ ...patienceOf(request), limitMs, onLimit }, (signal) =>
      this.#addresses.take(path, signal),
    );
  }
}

const notSent = (request: RpcRequest, clock: CallClock, why: string): RpcTimeoutError =>
  new RpcTimeoutError({ ...factsOf(request, clock), attempts: 0, reason: `it was not sent, ${why}` });

/** What errors tell of a call. */
export const factsOf = (
  { target, type, command }: RpcRequest,
  clock: CallClock,
): { exchange: string; routingKey: string; type: string; command: string; elapsedMs: number } => {
  const { exchange, routingKey } = target;
  return { exchange, routingKey, type, command, elapsedMs: Math.round(clock.elapsedMs) };
};

const patienceOf = ({ signal, target }: RpcRequest): Pick<Patience, 'signal' | 'onAbort'> => ({
  signal,
  onAbort: (cause) => new PublishError('ABORTED', target, { cause }),
});
