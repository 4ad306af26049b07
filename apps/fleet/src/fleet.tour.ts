import { Injectable } from '@nestjs/common';
import { Address, type FleetMember } from 'nestjs-postage';
import { Asking } from './asking.js';
import { Roster } from './roster.js';
import { Telling } from './telling.js';

const worker = Address.roundRobin('worker');
const gpuWorker = Address.groupRoundRobin('worker', 'gpu');
const workersInTokyo = Address.nameAtHost('worker', 'tokyo');

/** The controller's steps, in order. */
@Injectable()
export class FleetTour {
  constructor(
    private readonly roster: Roster,
    private readonly asking: Asking,
    private readonly telling: Telling,
  ) {}

  /** @param size how many members it waits for */
  async run(size: number): Promise<void> {
    await this.roster.expect(size);
    this.roster.show();
    await this.asking.ping(...this.#everyKindOfAddress());
    await this.asking.work(worker);
    await this.#changeGroups();
    await this.asking.describe(Address.nameAtHost('worker', 'berlin'));
    await this.telling.restart(this.#member('worker@tokyo'));
    this.roster.show();
    await this.telling.quit('monitor', 'worker');
    await this.asking.ping(Address.host('berlin'), Address.host('tokyo'));
  }

  #everyKindOfAddress(): readonly Address[] {
    return [
      Address.name('worker'),
      worker,
      Address.host('berlin'),
      Address.nameAtHost('worker', 'berlin'),
      Address.nameAtHostRoundRobin('worker', 'berlin'),
      this.#member('worker@berlin').address,
      Address.group('worker', 'gpu'),
      gpuWorker,
    ];
  }

  /** As long as it is in the group, the worker in Tokyo gets its share of what is for one of the group. */
  async #changeGroups(): Promise<void> {
    await this.asking.work(gpuWorker);
    await this.telling.join(workersInTokyo, 'gpu');
    await this.asking.work(gpuWorker);
    await this.telling.leave(workersInTokyo, 'gpu');
    await this.asking.work(gpuWorker);
  }

  #member(label: string): FleetMember {
    const [member] = this.roster.labelled(label);
    if (member) return member;
    throw new Error(`there is no ${label}: start the members as the README says`);
  }
}
