import { Injectable } from '@nestjs/common';
import { Address, ApplicationProducer } from 'nestjs-postage';
import { Jobs } from './jobs.js';
import { inGroups, labelOf } from './label.js';
import { RollCall } from './roll-call.js';
import { say } from './say.js';

/** What members can be asked. */
@Injectable()
export class Asking {
  constructor(
    private readonly applications: ApplicationProducer,
    private readonly rollCall: RollCall,
    private readonly jobs: Jobs,
  ) {}

  /** Who is at each address. */
  async ping(...addresses: readonly Address[]): Promise<void> {
    for (const line of await this.rollCall.lines(addresses)) say('ping', line);
  }

  /** Work for one in turn. */
  async work(address: Address): Promise<void> {
    say('work', await this.jobs.line(address));
  }

  /** What the first to answer says of itself. */
  async describe(address: Address): Promise<void> {
    const reply = await this.applications.at(address).rpcDescribe();
    const { fingerprint, groups, handles, versions } = reply.unwrap();
    const label = labelOf(fingerprint);
    const names = new Set(handles.map(({ name }) => name ?? 'anything'));
    say('describe', `${label} has version ${versions.application}, ${inGroups(groups)}`);
    say('describe', `${label} handles ${[...names].toSorted().join(', ')}`);
  }
}
