import type { GenericConsumer } from '../consumer/generic-consumer.js';
import type { MessagingRuntime } from '../producer/runtime.js';
import type { Compatibility } from '../topology/queue.js';
import { ApplicationMember } from './application-member.js';
import {
  GenericApplicationStatusExchange,
  resolveApplication,
  type ApplicationOptions,
} from './application-options.js';
import { ApplicationProducer } from './application-producer.js';
import { FleetDirectory } from './fleet-directory.js';
import { ApplicationLifecycle, type LifecycleOptions } from './lifecycle.js';

/** What an application is made of. */
export interface ApplicationParts
  extends MessagingRuntime, Pick<LifecycleOptions, 'started' | 'drain' | 'close'> {
  readonly consumer: GenericConsumer;
  readonly compatibility: Compatibility;
  /** How long its end may take, in milliseconds. */
  readonly drainTimeoutMs: number;
}

/** Everything that has to do with other components, and with being one. */
export class ApplicationServices {
  readonly lifecycle: ApplicationLifecycle;
  readonly applications: ApplicationProducer;
  readonly directory: FleetDirectory;
  /** Undefined: this program can not be addressed. */
  readonly member: ApplicationMember | undefined;

  /** @throws {InvalidOptionError} */
  constructor(parts: ApplicationParts, options: ApplicationOptions | undefined) {
    const settings = resolveApplication(options ?? {});
    const { exchange, restartBy, presence } = settings;
    const { started, drain, close, observer, drainTimeoutMs: limitMs } = parts;
    this.lifecycle = new ApplicationLifecycle({ restartBy, observer, limitMs, started, drain, close });
    this.applications = new ApplicationProducer(parts, exchange, parts.compatibility);
    const { applications, lifecycle } = this;
    const statuses = presence?.exchange ?? GenericApplicationStatusExchange;
    this.directory = new FleetDirectory({ ...parts, applications, exchange: statuses });
    this.member = options && new ApplicationMember({ ...parts, settings, lifecycle });
  }

  /** When the consumer has started. */
  async start(): Promise<void> {
    await this.member?.start();
  }

  /** Tells others that it goes. Never rejects. */
  async sayGoodbye(): Promise<void> {
    await this.member?.sayGoodbye();
  }

  /** Hears of others, and of commands, no more. Never rejects. */
  async stop(): Promise<void> {
    await Promise.all([this.member?.stop(), this.directory.close()]);
  }

  /** Before the consumer starts. */
  prepare(): void {
    this.member?.prepare();
  }
}
