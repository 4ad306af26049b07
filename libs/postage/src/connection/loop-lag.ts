const PERIOD_MS = 500;
/** How long a pause of the event loop is remembered. */
const MEMORY_MS = 60_000;

interface Pause {
  readonly ms: number;
  readonly atMs: number;
}

/** Watches for pauses of the event loop: a program that computes for long answers no heartbeats. */
export class LoopLag {
  #timer: NodeJS.Timeout | undefined;
  /** When the timer is to look again. */
  #dueMs = 0;
  #worst: Pause | undefined;

  /** Does not keep the process alive. */
  start(): void {
    if (this.#timer) return;
    this.#dueMs = performance.now() + PERIOD_MS;
    this.#timer = setInterval(() => this.#look(), PERIOD_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#worst = undefined;
  }

  /** What to say of a connection that was lost behind a pause longer than its heartbeat; undefined: there was none. */
  explain(role: string, heartbeatMs = Infinity): string | undefined {
    const nowMs = performance.now();
    // The loss may be heard of before the timer is.
    if (this.#timer) this.#note(nowMs - this.#dueMs, nowMs);
    const pauseMs = Math.round(this.#worst?.ms ?? 0);
    if (pauseMs < heartbeatMs) return undefined;
    // It is to blame for one loss.
    this.#worst = undefined;
    return `before the connection (${role}) was lost, the event loop of this process stood still for ${pauseMs} ms, longer than a heartbeat (${heartbeatMs} ms): a process that computes for so long answers no heartbeats. Move long computations into a worker, or raise heartbeatSeconds`;
  }

  #look(): void {
    const nowMs = performance.now();
    this.#note(nowMs - this.#dueMs, nowMs);
    this.#dueMs = nowMs + PERIOD_MS;
  }

  #note(ms: number, atMs: number): void {
    if (this.#worst && atMs - this.#worst.atMs > MEMORY_MS) this.#worst = undefined;
    if (ms > (this.#worst?.ms ?? 0)) this.#worst = { ms, atMs };
  }
}
