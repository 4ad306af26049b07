import type { Delivery } from '../connection/port.js';

/** Who uses a reply address. */
export interface ReplyListener {
  /** A reply, with whatever correlation id it has. */
  onReply(address: ReplyAddress, delivery: Delivery): void;
  /** No reply can come any more. */
  onLost(error: Error): void;
  /** At an address that calls share: whether a reply without a correlation id may be to this call. */
  readonly isInQuestion?: boolean;
  /** There was such a reply, to this call, to another one or to one that has ended. `isAlone`: no other call is in question. */
  onAmbiguous?(isAlone: boolean): void;
}

/** Somewhere that replies come to. */
export interface ReplyAddress {
  /** What goes into a request's `reply_to`. */
  name: string;
  /** Who uses it, if anybody does. */
  listener: ReplyListener | undefined;
  /** Gives it back. */
  release(): void;
}

/** What a maker of addresses tells the pool that keeps them. */
export interface AddressEvents {
  /** A reply, whether or not anybody uses the address. */
  onDelivery(address: ReplyAddress, delivery: Delivery): void;
  /** This one address is gone. */
  onGone(address: ReplyAddress, error: Error): void;
  /** All of them are gone, though the connection lives on. */
  onBroken(error: Error): void;
  /** Gives an address back. */
  release(address: ReplyAddress): void;
}
