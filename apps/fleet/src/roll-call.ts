import { Injectable } from '@nestjs/common';
import { Address, ApplicationProducer, type FingerprintDict } from 'nestjs-postage';
import { labelOf } from './label.js';

const WAIT_MS = 2_000;

/** Asks who is at an address. */
@Injectable()
export class RollCall {
  constructor(private readonly applications: ApplicationProducer) {}

  /** One line for each address: who has answered there. All are asked at the same time. */
  lines(addresses: readonly Address[]): Promise<string[]> {
    return Promise.all(
      addresses.map(async (address) => {
        const key = address.key.replace(/^\d+/, '<pid>');
        return address.isRoundRobin
          ? `${key}, twice: ${listed([await this.#one(address), await this.#one(address)])}`
          : `${key}: ${listed(await this.#all(address))}`;
      }),
    );
  }

  /** Whoever's turn it is. */
  async #one(address: Address): Promise<FingerprintDict> {
    const reply = await this.applications.at(address).rpcPing();
    return reply.unwrap();
  }

  /** Everyone: how many that are, only time can tell. Where nobody is, that is no error. */
  async #all(address: Address): Promise<readonly FingerprintDict[]> {
    const target = this.applications.at(address).with({ mandatory: false });
    const found: FingerprintDict[] = [];
    for await (const reply of target.gatherPing({ timeoutMs: WAIT_MS })) found.push(reply.unwrap());
    return found;
  }
}

const listed = (fingerprints: readonly FingerprintDict[]): string =>
  fingerprints.map(labelOf).toSorted().join(', ') || 'nobody';
