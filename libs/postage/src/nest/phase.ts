/**
 * The life of one messaging:
 * - `idle`: nothing has been started; a program that only sends stays so.
 * - `starting`: its queues are being declared and consumed for the first time.
 * - `running`: they were, at least once; what is lost is put back.
 * - `draining`: it consumes no more, and lets handlers finish.
 * - `closed`: its connections are closed, for good.
 */
export type PostagePhase = 'idle' | 'starting' | 'running' | 'draining' | 'closed';

const ORDER: readonly PostagePhase[] = ['idle', 'starting', 'running', 'draining', 'closed'];

/** It never goes back. */
export class PhaseTracker {
  readonly #listeners = new Set<() => void>();
  #phase: PostagePhase = 'idle';
  #isStartExpected = false;

  /** Somebody is going to start it: until then it is not ready. */
  get isStartExpected(): boolean {
    return this.#isStartExpected;
  }

  expectStart(): void {
    this.#isStartExpected = true;
    this.#tell();
  }

  get current(): PostagePhase {
    return this.#phase;
  }

  /** It drains, or has ended. */
  get isEnding(): boolean {
    return this.#phase === 'draining' || this.#phase === 'closed';
  }

  enter(phase: PostagePhase): void {
    if (ORDER.indexOf(phase) <= ORDER.indexOf(this.#phase)) return;
    this.#phase = phase;
    this.#tell();
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
