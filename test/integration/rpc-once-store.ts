import type { CallAnswer, CallClaim, CallStore } from 'nestjs-postage';
import { Inbox } from '../support/eventually.js';

interface Known {
  readonly answer?: CallAnswer;
  readonly endMs: number;
}

/** What a store of several processes does, within one. */
export class SharedCalls implements CallStore {
  readonly #known = new Map<string, Known>();
  /** What was claimed, for how many milliseconds, and what came of it. */
  readonly claims = new Inbox<{ readonly callId: string; readonly leaseMs: number; readonly kind: string }>();
  readonly kept = new Inbox<{ readonly callId: string; readonly keepMs: number }>();

  async claim(callId: string, leaseMs: number): Promise<CallClaim> {
    // As if over a network; what follows is atomic.
    await new Promise((resolve) => setImmediate(resolve));
    const claim = this.#claim(callId, leaseMs);
    this.claims.push({ callId, leaseMs, kind: claim.kind });
    return claim;
  }

  async answered(callId: string, answer: CallAnswer, keepMs: number): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#known.set(callId, { answer, endMs: performance.now() + keepMs });
    this.kept.push({ callId, keepMs });
  }

  /** As if the time of everything in it were over. */
  forget(): void {
    this.#known.clear();
  }

  #claim(callId: string, leaseMs: number): CallClaim {
    const known = this.#known.get(callId);
    if (known === undefined || known.endMs < performance.now()) {
      this.#known.set(callId, { endMs: performance.now() + leaseMs });
      return { kind: 'claimed' };
    }
    return known.answer ? { kind: 'answered', answer: known.answer } : { kind: 'running' };
  }
}
