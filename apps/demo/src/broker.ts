import type { PostageOptions } from 'nestjs-postage';
import { MemoryBroker } from 'nestjs-postage/testing';
import { probeBroker } from './probe-broker.js';

export interface DemoBroker {
  /** For `PostageModule.forRoot`. */
  readonly connection: PostageOptions['connection'];
  /** Which one it is, without credentials. */
  readonly description: string;
}

/**
 * RabbitMQ where the environment, or else its default, leads to one that lets us in; a broker in memory otherwise. A
 * `POSTAGE_URL` is an order: nothing takes its place.
 * @throws {PostageError} `POSTAGE_URL` is set, but leads nowhere
 */
export const chooseBroker = async (env: NodeJS.ProcessEnv = process.env): Promise<DemoBroker> => {
  const probe = await probeBroker();
  // Absent, so that the programs find their way through the environment, as they do on their own.
  if (probe.reached) return { connection: undefined, description: `RabbitMQ at ${probe.address}` };
  if (env['POSTAGE_URL']) throw probe.error;
  return {
    connection: new MemoryBroker(),
    description: `in memory, inside this process (${probe.error.message})`,
  };
};
