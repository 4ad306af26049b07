import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Output } from '../apps/support/output.js';
import { compiled, workingFolder } from './compiled.js';
import { eventually } from './eventually.js';

/** The machine may be small, and busy: a process may take long to begin. */
export const LIMIT_MS = 60_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Something that a program has printed as a line of JSON; what more there is depends on the event. */
export interface Said {
  readonly event: string;
  readonly [fact: string]: unknown;
}

export interface ChildOptions {
  /** How it is called in errors. @default its source */
  readonly id?: string;
  readonly args?: readonly string[];
  /** Added to ours, without `POSTAGE_*`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Options of node itself. @default ['--unhandled-rejections=strict'] */
  readonly nodeArgs?: readonly string[];
}

const running = new Set<ChildProcess>();

/** The process and, where it has been replaced by a child, all that came after it: they are a group of processes. */
const killGroup = ({ pid }: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): void => {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // All of them have ended.
  }
};
// When the test run itself is ended, no test is left to clean up.
process.on('exit', () => running.forEach((child) => killGroup(child)));

/**
 * A program of the tests in a process of its own. `useCompiled(source)` has compiled it; whoever starts one closes it
 * (`onTestFinished(() => child.close())`).
 */
export class ChildProgram {
  readonly id: string;
  readonly output: Output;
  readonly errors: Output;
  readonly cwd = workingFolder();
  readonly #child: ChildProcess;
  readonly #exit: Promise<Exit>;
  readonly #said: Said[] = [];
  #linesRead = 0;

  /** @param source for example `test/support/fleet-member.ts` */
  constructor(source: string, options: ChildOptions = {}) {
    const { id = source, args = [], env = {}, nodeArgs = ['--unhandled-rejections=strict'] } = options;
    this.id = id;
    const kept = Object.entries(process.env).filter(([name]) => !/^(POSTAGE_|FORCE_COLOR$)/.test(name));
    const child = spawn(process.execPath, [...nodeArgs, compiled(source), ...args], {
      cwd: this.cwd,
      env: { ...Object.fromEntries(kept), NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    this.output = new Output(child.stdout);
    this.errors = new Output(child.stderr);
    running.add(child);
    this.#exit = once(child, 'close').then(([code, signal]): Exit => {
      running.delete(child);
      return { code, signal };
    });
  }

  /** The process that was started, whichever runs now. */
  get processId(): number {
    return this.#child.pid ?? 0;
  }

  /** Everything it has said so far; some of it only. */
  said(event?: string): Said[] {
    const fresh = this.output.lines.slice(this.#linesRead);
    this.#linesRead += fresh.length;
    for (const line of fresh) if (line.startsWith('{"event":')) this.#said.push(JSON.parse(line) as Said);
    return this.#said.filter((each) => event === undefined || each.event === event);
  }

  /** Resolves once it has said that so many times, and with it. */
  async saying(event: string, count = 1): Promise<Said[]> {
    await this.until(() => this.said(event).length >= count, `${count} x "${event}"`);
    return this.said(event);
  }

  /** Resolves once so many executions of it, as a Nest microservice, consume their queues. */
  ready(executions = 1): Promise<void> {
    const text = 'Nest microservice successfully started';
    return this.until(() => this.output.with(text).length >= executions, `execution ${executions}`);
  }

  /** How it ends by itself. */
  exit(): Promise<Exit> {
    return this.#exit;
  }

  /** Sends a signal to the process that was started, and to no other. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal to it and to all that it has been replaced by. */
  signalGroup(signal: NodeJS.Signals): void {
    killGroup(this.#child, signal);
  }

  async close(): Promise<void> {
    killGroup(this.#child);
    await this.#exit;
  }

  /** Resolves once the check holds; rejects when the program has ended without, or with the time. */
  async until(check: () => boolean, what: string, limitMs = LIMIT_MS): Promise<void> {
    const problem = (why: string): Error =>
      new Error(`${this.id} ${why} ${what}. It said:\n${this.output.text}\n${this.errors.text}`);
    const verify = (why: string): void => {
      if (!check()) throw problem(why);
    };
    const checked = eventually(() => verify('did not come to'), limitMs);
    const ended = this.#exit.then(() => verify('has ended without'));
    await Promise.race([checked, ended]);
  }
}
