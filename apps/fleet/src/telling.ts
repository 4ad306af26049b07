import { Injectable } from '@nestjs/common';
import { Address, ApplicationProducer, type FleetMember } from 'nestjs-postage';
import { labelOf } from './label.js';
import { Roster } from './roster.js';
import { say } from './say.js';

/** What members can be told. */
@Injectable()
export class Telling {
  constructor(
    private readonly applications: ApplicationProducer,
    private readonly roster: Roster,
  ) {}

  /** The answer comes when it is done: from then on messages to the group reach the member. */
  async join(address: Address, group: string): Promise<void> {
    const isNew = (await this.applications.at(address).rpcJoinGroup(group)).unwrap();
    say('join', `${address.key} ${isNew ? 'has joined' : 'was already in'} ${group}`);
  }

  async leave(address: Address, group: string): Promise<void> {
    const wasIn = (await this.applications.at(address).rpcLeaveGroup(group)).unwrap();
    say('leave', `${address.key} ${wasIn ? 'has left' : 'was not in'} ${group}`);
  }

  /** Nobody answers to `restart`: the directory hears that the member goes, and that it is there again. */
  async restart({ address, fingerprint }: FleetMember): Promise<void> {
    const label = labelOf(fingerprint);
    const count = (): number => this.roster.labelled(label).length;
    const before = count();
    await this.applications.at(address).messageRestart();
    await this.roster.until(`${label} to go`, () => count() < before);
    say('restart', `${label} has gone`);
    await this.roster.until(`${label} to come back`, () => count() === before);
    say('restart', `${label} is back`);
  }

  /** Every member of these names. */
  async quit(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.applications.at(Address.name(name)).messageQuit();
    say('quit', `told to every ${names.join(' and every ')}`);
    await this.roster.until('all to quit', () => this.roster.absent(names).length === names.length);
    say('directory', `nobody is left that is a ${this.roster.absent(names).join(' or a ')}`);
  }
}
