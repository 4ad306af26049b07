import type { OnModuleDestroy } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import type { Messaging } from './messaging.js';

/** Nest destroys modules in the order of their distance from the root module, which has 0 or 1. */
const BEFORE_ALL = -1;

/**
 * On SIGTERM Nest destroys modules before it closes servers: handlers are let finish here, while what they use still lives. For
 * that its module is the first to be destroyed, and all messagings are drained at once.
 */
export class PostageDrain implements OnModuleDestroy {
  readonly #messaging: Pick<Messaging, 'drain'>;
  readonly #modules: ModulesContainer;

  constructor(messaging: Pick<Messaging, 'drain'>, modules: ModulesContainer) {
    this.#messaging = messaging;
    this.#modules = modules;
  }

  /** Moves the module that has this token among its providers before all others. */
  static goFirst(modules: ModulesContainer, token: string): void {
    for (const module of modules.values()) if (module.providers.has(token)) module.distance = BEFORE_ALL;
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all(drainsOf(this.#modules).map((drain) => drain.#messaging.drain()));
  }
}

const drainsOf = (modules: ModulesContainer): readonly PostageDrain[] =>
  [...modules.values()]
    .flatMap(({ providers }) => [...providers.values()].map(({ instance }): unknown => instance))
    .filter((instance) => instance instanceof PostageDrain);
