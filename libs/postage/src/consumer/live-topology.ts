import { canonical } from '../topology/amqp-table.js';
import { mergeTopologies } from '../topology/binding.js';
import type { Binding, Topology } from '../topology/types.js';

/** What a consumed queue needs at the broker, while run-time bindings come and go. */
export class LiveTopology {
  readonly #parts = new Set<{ topology: Topology }>();

  constructor(topology: Topology) {
    this.#parts.add({ topology });
  }

  get whole(): Topology {
    return mergeTopologies(...[...this.#parts].map(({ topology }) => topology));
  }

  /**
   * Adds bindings, and returns the way to take them back.
   * @throws {InvalidOptionError} the part contradicts what is there
   */
  add(topology: Topology): () => void {
    mergeTopologies(this.whole, topology);
    const part = { topology: { ...topology, queues: [] } };
    this.#parts.add(part);
    return () => this.#parts.delete(part);
  }

  remove(unwanted: Binding): void {
    const identity = identityOf(unwanted);
    for (const part of this.#parts) {
      const bindings = part.topology.bindings.filter((binding) => identityOf(binding) !== identity);
      part.topology = { ...part.topology, bindings };
      if (bindings.length === 0 && part.topology.queues.length === 0) this.#parts.delete(part);
    }
  }
}

const identityOf = ({ exchange, queue, key, arguments: table }: Binding): string =>
  canonical([exchange, queue, key, table]);
