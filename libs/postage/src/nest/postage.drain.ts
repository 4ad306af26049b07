import type { OnModuleDestroy } from '@nestjs/common';
import type { Messaging } from './messaging.js';

/** On SIGTERM Nest destroys modules before it closes servers: handlers are let finish here, while what they use still lives. */
export class PostageDrain implements OnModuleDestroy {
  readonly #messaging: Messaging;

  constructor(messaging: Messaging) {
    this.#messaging = messaging;
  }

  async onModuleDestroy(): Promise<void> {
    await this.#messaging.drain();
  }
}
