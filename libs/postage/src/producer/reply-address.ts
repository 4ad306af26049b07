import type { Delivery } from '../connection/port.js';

/** Somewhere that replies come to; one call uses it at a time. */
export interface ReplyAddress {
  /** What goes into a request's `reply_to`. */
  name: string;
  /**
   * No earlier call has used this name, so that whatever comes belongs to the present one. At any other address a reply
   * without a correlation id may be a late one of an earlier call.
   */
  fresh: boolean;
  /** Where replies go while a call uses it. */
  onReply: ((delivery: Delivery) => void) | undefined;
  /** Told when no reply can come any more. */
  onLost: ((error: Error) => void) | undefined;
  /** Gives it back when the call has ended. */
  readonly release: () => void;
}

/** What a maker of addresses tells the pool that keeps them. */
export interface AddressEvents {
  /** A reply, whether or not a call waits for it. */
  onDelivery(address: ReplyAddress, delivery: Delivery): void;
  /** This one address is gone. */
  onGone(address: ReplyAddress, error: Error): void;
  /** All of them are gone, though the connection lives on. */
  onBroken(error: Error): void;
  /** Gives an address back. */
  release(address: ReplyAddress): void;
}
