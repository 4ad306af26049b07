import type { PeerDefinition } from '../peers.js';
import type { Setting } from '../side/peer.js';
import type { Broker, Place } from './broker.js';
import { Child, type Profiles } from './child.js';

export interface StageOptions {
  readonly broker: Broker;
  /** How long a round measures. */
  readonly seconds: number;
  /** Told apart from every other stage of the run. */
  readonly name: string;
  readonly peer: PeerDefinition;
  readonly profiles?: Profiles | undefined;
}

/** The processes and queues of one contender. */
export class Stage {
  readonly broker: Broker;
  readonly seconds: number;
  readonly peer: PeerDefinition;
  readonly #options: StageOptions;
  readonly #children = new Set<Child>();
  readonly #places: Place[] = [];

  constructor(options: StageOptions) {
    this.#options = options;
    this.broker = options.broker;
    this.seconds = options.seconds;
    this.peer = options.peer;
  }

  async place(queueCount = 1): Promise<Place> {
    const place = await this.broker.make(this.#options.name, queueCount);
    this.#places.push(place);
    return place;
  }

  setting(place: Place, rest: Partial<Pick<Setting, 'prefetch' | 'persistent' | 'handlers'>> = {}): Setting {
    return { url: this.broker.url, ...place, prefetch: 100, persistent: true, handlers: 1, ...rest };
  }

  /** A new process, which is one side of the peer. */
  spawn(): Child {
    const { module } = this.peer;
    const child = new Child({ module, profiles: this.#options.profiles });
    this.#children.add(child);
    return child;
  }

  async stop(child: Child): Promise<void> {
    await child.stop();
    this.#children.delete(child);
  }

  /** Ends all of it; those that would have to be waited for are killed after a failure. */
  async close(hasFailed: boolean): Promise<void> {
    const children = [...this.#children];
    if (hasFailed) for (const child of children) child.kill();
    await Promise.all(children.map((child) => this.stop(child)));
    for (const place of this.#places.splice(0)) await this.broker.remove(place);
  }
}
