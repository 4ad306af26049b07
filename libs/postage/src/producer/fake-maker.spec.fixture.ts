import type { Link } from '../connection/port.js';
import type { AddressMaker } from './address-pool.js';
import type { AddressEvents, ReplyAddress } from './reply-address.js';

export type Renewal = boolean | Promise<boolean>;

/** Makes addresses out of nothing, and at once unless a test holds it back; a test says how they are renewed. */
export class FakeMaker implements AddressMaker<ReplyAddress> {
  room = Infinity;
  readonly restored: Link[] = [];
  events!: AddressEvents;
  readonly discarded: string[] = [];
  made = 0;
  renewal: () => Renewal = () => true;
  /** Waited for by every `make`, which hands out the address after it. */
  gate: (address: ReplyAddress) => Promise<unknown> = () => Promise.resolve();

  constructor(readonly concurrency: number) {}

  restore(link: Link, events: AddressEvents): Promise<void> {
    this.restored.push(link);
    this.events = events;
    return Promise.resolve();
  }

  async make(): Promise<ReplyAddress> {
    const { events } = this;
    this.made += 1;
    const name = `address ${this.made}`;
    const release = (): void => events.release(address);
    const address: ReplyAddress = { name, listener: undefined, release };
    await this.gate(address);
    return address;
  }

  renew(): Renewal {
    return this.renewal();
  }

  discard({ name }: ReplyAddress): void {
    this.discarded.push(name);
  }
}
