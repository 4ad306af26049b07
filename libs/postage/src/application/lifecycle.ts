import { deferred } from '../connection/deferred.js';
import { settleWithin } from '../connection/settle-within.js';
import type { Observer } from '../observability/observer.js';
import type { FingerprintLike } from '../wire/fingerprint.js';
import type { RestartMethod } from './application-options.js';
import { replaceProgram } from './replace-program.js';

/** How a component has ended. */
export interface ApplicationEnd {
  /** `closed`: by the program itself, for example on SIGTERM. */
  readonly kind: 'quit' | 'restart' | 'closed';
  /** Who has asked for it, where a message did. */
  readonly by?: FingerprintLike | undefined;
}

export interface LifecycleOptions {
  readonly restartBy: RestartMethod;
  readonly observer: Observer;
  /** How long hooks may take, in milliseconds. */
  readonly limitMs: number;
  /** Settles when the start is over, if there is one going on: a command may come before. */
  readonly started: () => Promise<unknown>;
  /** Stops consuming and lets running handlers finish. */
  readonly drain: () => Promise<void>;
  /** Closes the connections. */
  readonly close: () => Promise<void>;
}

type Hook = () => unknown;

/** Ends this program, or replaces it: once, in order, with handlers finished and connections closed. */
export class ApplicationLifecycle {
  /**
   * Resolves when messaging has ended, so that a program can go on behind the place where it waits for this. It does not
   * resolve where the program is being replaced.
   */
  readonly ended: Promise<ApplicationEnd>;
  readonly #options: LifecycleOptions;
  readonly #hooks = new Set<Hook>();
  readonly #end = deferred<ApplicationEnd>();
  #decided: ApplicationEnd | undefined;
  #isReplacing = false;
  #ending: Promise<void> | undefined;

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.ended = this.#end.promise;
  }

  /** It is ending, or has ended, or is just about to. */
  get isEnding(): boolean {
    return this.#decided !== undefined || this.#ending !== undefined;
  }

  /** It was told to quit or to restart; not merely closed by its program. */
  get isToldToEnd(): boolean {
    return this.#decided !== undefined;
  }

  /**
   * From now on it is ending in this way; a `quit` overrules a restart that has not come yet.
   * @returns false: it is ending already
   */
  decide(end: ApplicationEnd): boolean {
    const isOverruled = end.kind === 'quit' && this.#decided?.kind === 'restart' && !this.#isReplacing;
    if (this.isEnding && !isOverruled) return false;
    this.#decided = end;
    return true;
  }

  /**
   * Called when it quits or restarts, after handlers have finished and before the connections are closed: for what else
   * must end, such as the whole Nest application: `lifecycle.onEnd(() => app.close())`. Returns the way to stop that.
   */
  onEnd(hook: Hook): () => void {
    this.#hooks.add(hook);
    return () => this.#hooks.delete(hook);
  }

  /** Stops consuming, lets running handlers finish, closes. The program goes on behind `ended`. */
  quit(by?: FingerprintLike): Promise<void> {
    this.decide({ kind: 'quit', by });
    this.#ending ??= this.#run();
    return this.#ending;
  }

  /** The same, and then the program is replaced, as `restartBy` says. */
  restart(by?: FingerprintLike): Promise<void> {
    this.decide({ kind: 'restart', by });
    this.#ending ??= this.#run();
    return this.#ending;
  }

  /** The program has closed everything itself. */
  closed(): void {
    // A hook of ours may be what closes it.
    if (this.#ending) return;
    this.#ending = Promise.resolve();
    this.#end.resolve({ kind: 'closed' });
  }

  async #run(): Promise<void> {
    const { started, drain, close, limitMs } = this.#options;
    await settleWithin(started(), limitMs);
    await drain().catch(this.#report('draining at the end'));
    for (const hook of this.#hooks) await this.#call(hook);
    await close().catch(this.#report('closing at the end'));
    const { kind = 'quit', by } = this.#decided ?? {};
    if (kind === 'restart') await this.#replace();
    this.#end.resolve({ kind, by });
  }

  async #call(hook: Hook): Promise<void> {
    const work = Promise.resolve().then(hook).catch(this.#report('a hook of the end'));
    await settleWithin(work, this.#options.limitMs);
  }

  /** Nothing keeps it from its end. */
  #report(where: string): (error: unknown) => void {
    return (error) => this.#options.observer({ kind: 'internal.failure', where, error });
  }

  async #replace(): Promise<void> {
    const { restartBy } = this.#options;
    this.#isReplacing = true;
    try {
      if (typeof restartBy === 'function') await restartBy();
      else if (restartBy === 'replace') await replaceProgram();
      else process.exit(restartBy.exitCode);
    } catch (error) {
      this.#report('restarting the program')(error);
      // Nothing is consumed any more. Whoever supervises the program must see that.
      if (restartBy === 'replace') process.exit(1);
      process.exitCode = 1;
    }
  }
}
