import { Injectable } from '@nestjs/common';
import { ApplicationProducer, InjectProducer, type Address, type ProducerOf } from 'nestjs-postage';
import { WorkProducer } from './work.producer.js';

const JOBS = ['job 1', 'job 2', 'job 3', 'job 4'];

/** Sends work to whoever's turn it is. */
@Injectable()
export class Jobs {
  constructor(
    private readonly applications: ApplicationProducer,
    @InjectProducer(WorkProducer) private readonly work: ProducerOf<WorkProducer>,
  ) {}

  /** Sends four jobs at once, and tells who has done how many. */
  async line(address: Address): Promise<string> {
    const members = this.applications.at(address, this.work);
    const replies = await Promise.all(JOBS.map((job) => members.rpcWork(job)));
    const doers = replies.map((reply) => reply.unwrap());
    const shares = [...new Set(doers)].toSorted().map((doer) => `${countOf(doer, doers)} by ${doer}`);
    return `${JOBS.length} jobs for ${address.key}: ${shares.join(', ')}`;
  }
}

const countOf = (wanted: string, all: readonly string[]): number =>
  all.filter((each) => each === wanted).length;
