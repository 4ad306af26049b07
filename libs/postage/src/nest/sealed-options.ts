import type { PostageOptions } from './postage.options.js';

/** Options as Nest keeps them among its providers: they may hold a password, which nothing that prints those shall show. */
export class SealedOptions {
  readonly #options: PostageOptions;

  constructor(options: PostageOptions) {
    this.#options = options;
  }

  open(): PostageOptions {
    return this.#options;
  }
}
