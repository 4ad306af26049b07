import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { CommandName, Commands, Response } from '../side/protocol.js';

const PROGRAM = fileURLToPath(new URL('../side/main.js', import.meta.url));
const DEFAULT_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 10_000;
/** Of what a process printed, as much is kept to explain its end. */
const OUTPUT_LIMIT = 4_000;

interface Pending {
  readonly resolve: (response: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Folders that a process writes profiles to. */
export interface Profiles {
  /** Of its processor time. */
  readonly cpu: string | undefined;
  readonly allocations: string | undefined;
}

export interface ChildOptions {
  /** The module of the peer, as a file URL. */
  readonly module: string;
  readonly profiles?: Profiles | undefined;
}

const running = new Set<ChildProcess>();

/** Ends all of them at once, whatever they are doing. */
export const killChildren = (): void => {
  for (const child of running) child.kill('SIGKILL');
};

/** Nothing of the surroundings reaches the peers but what the bench gives them. */
const environment = (): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(([name]) => !/^(POSTAGE_|NODE_OPTIONS$)/.test(name));
  return { ...Object.fromEntries(kept), NODE_ENV: 'production', NO_COLOR: '1' };
};

/** One side of a measurement, in a process of its own. */
export class Child {
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  #ids = 0;
  #output = '';
  #end: Error | undefined;

  constructor({ module, profiles }: ChildOptions) {
    const { cpu, allocations } = profiles ?? {};
    const profiling = cpu === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${cpu}`];
    const child = fork(PROGRAM, [module, ...(allocations === undefined ? [] : [allocations])], {
      execArgv: ['--expose-gc', ...profiling],
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#process = child;
    running.add(child);
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => this.#keep(String(data)));
    // What comes over this channel is written by `side/main.ts`.
    child.on('message', (message) => this.#settle(message as Response));
    child.on('error', (error) => this.#fail(error));
    child.on('close', (code, signal) => {
      running.delete(child);
      this.#end = new Error(`its process ended (${signal ?? code}).${this.#said()}`);
      this.#fail(this.#end);
    });
  }

  /** @throws {Error} the command failed, or took too long, or the process ended before */
  async call<K extends CommandName>(
    name: K,
    request: Commands[K]['request'],
    limitMs = DEFAULT_LIMIT_MS,
  ): Promise<Commands[K]['response']> {
    this.#ids += 1;
    const id = this.#ids;
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`"${name}" took longer than ${limitMs / 1_000} s.${this.#said()}`)),
        limitMs,
      );
      this.#pending.set(id, {
        resolve: (response) => (clearTimeout(timer), resolve(response)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      });
      if (this.#end !== undefined) this.#fail(this.#end);
      else this.#process.send({ id, name, request }, (error) => error !== null && this.#fail(error));
    });
    // The other end answers by the same table, `Commands`.
    return (await answer.finally(() => this.#pending.delete(id))) as Commands[K]['response'];
  }

  /** Lets it close what it has open, and ends it. */
  async stop(): Promise<void> {
    if (!running.has(this.#process)) return;
    const closed = once(this.#process, 'close');
    const timer = setTimeout(() => this.kill(), STOP_LIMIT_MS);
    // A side that can not close has been measured all the same.
    await this.call('stop', null, STOP_LIMIT_MS).catch(() => this.kill());
    await closed;
    clearTimeout(timer);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  #settle(message: Response): void {
    const pending = this.#pending.get(message.id);
    if (message.ok) pending?.resolve(message.response);
    else pending?.reject(new Error(`${message.error}${this.#said()}`));
  }

  #fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
  }

  #keep(text: string): void {
    this.#output = (this.#output + text).slice(-OUTPUT_LIMIT);
  }

  #said(): string {
    const output = this.#output.trim();
    return output === '' ? '' : ` It printed:\n${output}`;
  }
}
