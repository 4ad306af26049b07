import type { Entity } from './entity.js';

/** What is wrong and what to do, as parts of a `TopologyError`. */
export interface Explanation {
  readonly problem: string;
  readonly remedy: string;
  readonly argument?: string | undefined;
  readonly wanted?: string | undefined;
  readonly actual?: string | undefined;
}

/** One kind of reply text: undefined when it is another kind. */
export type Explain = (text: string, entity: Entity) => Explanation | undefined;
