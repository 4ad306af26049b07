import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { Output } from './output.js';

export const rootFolder = fileURLToPath(new URL('../../../', import.meta.url));

export type Environment = Readonly<Record<string, string>>;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const running = new Set<ChildProcess>();
// When the test run itself is ended, no test is left to clean up.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** A compiled program of `apps/`, run as users run it. It ends with the test at the latest, however the test ends. */
export class Program {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly #child: ChildProcess;
  readonly #exit: Promise<Exit>;

  /** @param script for example `rpc-echo/dist/receive.js` */
  constructor(script: string, environment: Environment = {}, args: readonly string[] = []) {
    const child = spawn(process.execPath, [`apps/${script}`, ...args], {
      cwd: rootFolder,
      env: { ...inherited(), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.stdout = new Output(child.stdout);
    this.stderr = new Output(child.stderr);
    running.add(child);
    this.#exit = once(child, 'close').then(([code, signal]): Exit => {
      running.delete(child);
      return { code, signal };
    });
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await this.#exit;
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** How it ends by itself. */
  exit(): Promise<Exit> {
    return this.#exit;
  }

  /** Sends a signal, and resolves with how it ends. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.#child.kill(signal);
    return this.#exit;
  }
}

/** No broker of the developer's own gets in, and no colours. */
const inherited = (): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(([name]) => !/^(POSTAGE_|FORCE_COLOR$)/.test(name));
  return { ...Object.fromEntries(kept), NO_COLOR: '1' };
};

/** A receiver that consumes its queues. */
export const startReceiver = async (app: string, environment: Environment): Promise<Program> => {
  const receiver = new Program(`${app}/dist/receive.js`, environment);
  await receiver.stdout.until('Nest microservice successfully started');
  return receiver;
};

/** A program that has run to its end. */
export const runToEnd = async (
  script: string,
  environment: Environment,
): Promise<{ program: Program; exit: Exit }> => {
  const program = new Program(script, environment);
  return { program, exit: await program.exit() };
};
