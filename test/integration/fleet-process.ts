import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, vi } from 'vitest';
import { Output } from '../apps/support/output.js';
import { eventually } from '../support/eventually.js';
import type { MemberConfig } from '../support/fleet-member.js';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** The machine may be small, and busy: a process may take long to begin. */
export const LIMIT_MS = 60_000;
/** One for each file of tests, so that they do not meet. */
const FOLDER = join(ROOT, '.cache/fleet', String(process.pid));

/** Compiles what a member runs, on the sources of the library, as the tests themselves: no build has to go before. */
const compileMember = async (): Promise<void> => {
  const library = join(ROOT, 'libs/postage');
  await build({
    root: ROOT,
    configFile: false,
    logLevel: 'error',
    resolve: { alias: { 'nestjs-postage': join(library, 'src/index.ts') } },
    build: {
      ssr: true,
      outDir: FOLDER,
      minify: false,
      rolldownOptions: {
        input: join(ROOT, 'test/support/fleet-member.ts'),
        treeshake: false,
        output: { preserveModules: true, preserveModulesRoot: ROOT, entryFileNames: '[name].js' },
      },
    },
  });
  writeFileSync(join(FOLDER, 'package.json'), '{ "type": "module" }');
  // The library reads its version in it.
  copyFileSync(join(library, 'package.json'), join(FOLDER, 'libs/postage/package.json'));
};

/** For every file of tests that starts members. */
export const useMembers = (): void => {
  vi.setConfig({ testTimeout: 3 * LIMIT_MS, hookTimeout: 3 * LIMIT_MS });
  beforeAll(compileMember);
  afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));
};

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Something that a member has printed; what more there is depends on the event. */
export interface Said {
  readonly event: string;
  readonly [fact: string]: unknown;
}

const running = new Set<ChildProcess>();

/** The process and, where it has been replaced by a child, all that came after it: they are a group of processes. */
const kill = ({ pid }: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): void => {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // All of them have ended.
  }
};
// When the test run itself is ended, no test is left to clean up.
process.on('exit', () => running.forEach((child) => kill(child)));

/** A component in a process of its own. */
export class Member {
  readonly config: MemberConfig;
  readonly output: Output;
  readonly errors: Output;
  readonly cwd = mkdtempSync(join(FOLDER, 'cwd-'));
  readonly #child: ChildProcess;
  readonly #exit: Promise<Exit>;

  constructor(config: MemberConfig, url: string) {
    this.config = config;
    const kept = Object.entries(process.env).filter(([name]) => !/^(POSTAGE_|FORCE_COLOR$)/.test(name));
    const env = { ...Object.fromEntries(kept), NO_COLOR: '1', FLEET_URL: url };
    const args = [
      '--stack-trace-limit=20',
      join(FOLDER, 'test/support/fleet-member.js'),
      JSON.stringify(config),
    ];
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    const child = spawn(process.execPath, args, { cwd: this.cwd, env, stdio: [...stdio], detached: true });
    if (!child.stdout || !child.stderr) throw new Error('it was started without pipes');
    this.#child = child;
    this.output = new Output(child.stdout);
    this.errors = new Output(child.stderr);
    running.add(child);
    this.#exit = once(child, 'close').then(([code, signal]): Exit => {
      running.delete(child);
      return { code, signal };
    });
  }

  /** `pid@host`: its address. */
  get id(): string {
    return `${this.config.pid}@${this.config.host}`;
  }

  /** The process that was started, whichever runs now. */
  get processId(): number {
    return this.#child.pid ?? 0;
  }

  /** Everything it has said so far; some of it only. */
  said(event?: string): Said[] {
    const all = this.output.lines.filter((line) => line.startsWith('{"event":'));
    const said = all.map((line) => JSON.parse(line) as Said);
    return said.filter((each) => event === undefined || each.event === event);
  }

  /** The order of events, as `holding 3` or `group.joined eu`. */
  get story(): string[] {
    return this.said().map(({ event, id, group }) => [event, id, group].filter(Boolean).join(' '));
  }

  /** What it has worked on. */
  get work(): string[] {
    return this.said('work').map(({ id }) => String(id));
  }

  /** Resolves once it has said that so many times, and with it. */
  async saying(event: string, count = 1): Promise<Said[]> {
    await this.#until(() => this.said(event).length >= count, `${count} x "${event}"`);
    return this.said(event);
  }

  /** Resolves once so many executions of it consume their queues. */
  ready(executions = 1): Promise<void> {
    const text = 'Nest microservice successfully started';
    return this.#until(() => this.output.with(text).length >= executions, `execution ${executions}`);
  }

  /** Resolves once its handlers of these ids run. */
  async holding(...ids: readonly string[]): Promise<void> {
    const isHolding = (id: string): boolean => this.story.includes(`holding ${id}`);
    await this.#until(() => ids.every(isHolding), `holding ${ids.join(', ')}`);
  }

  /** Lets its handlers end that are held. */
  release(): void {
    kill(this.#child, 'SIGUSR2');
  }

  /** How it ends by itself. */
  exit(): Promise<Exit> {
    return this.#exit;
  }

  /** Sends a signal to the process that was started, and to no other. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async close(): Promise<void> {
    kill(this.#child);
    await this.#exit;
  }

  async #until(check: () => boolean, what: string): Promise<void> {
    const problem = (why: string): Error =>
      new Error(`${this.id} ${why} ${what}. It said:\n${this.output.text}\n${this.errors.text}`);
    const verify = (why: string): void => {
      if (!check()) throw problem(why);
    };
    const checked = eventually(() => verify('did not come to'), LIMIT_MS);
    const ended = this.#exit.then(() => verify('has ended without'));
    await Promise.race([checked, ended]);
  }
}
