/** Names come from outside, so there must be a limit. */
const MAX_CLAIMS = 10_000;

/** Calls that this process has claimed in a shared store and then given up, as long as the store takes them for running. */
export class AbandonedClaims {
  readonly #leaseEnds = new Map<string, number>();

  add(callId: string, leaseEndMs: number): void {
    this.#leaseEnds.delete(callId);
    this.#leaseEnds.set(callId, leaseEndMs);
    const [oldest] = this.#leaseEnds.keys();
    if (this.#leaseEnds.size > MAX_CLAIMS && oldest !== undefined) this.#leaseEnds.delete(oldest);
  }

  /** Whether the claim that stands in the way is our own; whoever asks takes it over. */
  take(callId: string): boolean {
    const leaseEndMs = this.#leaseEnds.get(callId);
    this.#leaseEnds.delete(callId);
    return leaseEndMs !== undefined && performance.now() < leaseEndMs;
  }
}
