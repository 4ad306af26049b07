/** What a handler says of its own message, by what it throws. */
export type Verdict =
  /** No run will ever work: not again, whatever the policy says. */
  | { readonly kind: 'reject' }
  /** Back to the queue, at once. */
  | { readonly kind: 'requeue' }
  /** Again, whatever the policy says of such errors; with a delay, after exactly that. */
  | { readonly kind: 'retry-later'; readonly delayMs: number | undefined };

/** Errors that carry a verdict are known by it, whichever copy of this package they come from. */
export const VERDICT: unique symbol = Symbol.for('postage:verdict');

export const verdictOf = (error: unknown): Verdict | undefined =>
  // What stands under our own symbol was put there by our own errors.
  typeof error === 'object' && error !== null
    ? (error as { readonly [VERDICT]?: Verdict })[VERDICT]
    : undefined;
