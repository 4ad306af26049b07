import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout } from 'node:timers/promises';

/** Says to a program that it was started by its predecessor, and by which process: that one starts the next one, too. */
const PREDECESSOR = 'POSTAGE_PREDECESSOR';
/** With this code a program asks its predecessor for the next execution. No program ends like that by itself. */
const AGAIN = 213;
/** Time for a signal to take effect. */
const SIGNAL_LIMIT_MS = 500;
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;

// The environment of a program that has been replaced is that of the first one.
const predecessor = process.env[PREDECESSOR];
delete process.env[PREDECESSOR];
/** Where the program was started: it may change its directory later. */
const startedIn = process.cwd();

/** From Node 22.15 and 23.11 on. @see https://nodejs.org/api/process.html#processexecvefile-args-env */
type Execve = (file: string, args: readonly string[], env: NodeJS.ProcessEnv) => never;

/**
 * Replaces this program by a new execution of it. Never resolves where that works: either this process is another program
 * then, or it ends with the code of the one that has taken over.
 */
export const replaceProgram = async (): Promise<void> => {
  const { execve } = process as { execve?: Execve };
  const args = [...process.execArgv, ...process.argv.slice(1)];
  if (execve) {
    process.chdir(startedIn);
    execve.call(process, process.execPath, [process.argv0, ...args], process.env);
  }
  // Whoever has started us waits for this.
  if (predecessor === String(process.ppid)) process.exit(AGAIN);
  await superviseSuccessors(args);
};

/** This process stays for its parent, its terminal and its id: it passes on signals, and ends as the last one ends. */
const superviseSuccessors = async (args: readonly string[]): Promise<void> => {
  let child: ChildProcess | undefined;
  const passOn = (signal: NodeJS.Signals): void => {
    // A terminal sends Ctrl+C to all of its processes, the child among them.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child?.kill(signal);
  };
  for (const signal of SIGNALS) {
    // What the program did with them itself is over: the module that it belongs to has closed.
    process.removeAllListeners(signal);
    process.on(signal, passOn);
  }
  try {
    for (;;) {
      child = spawn(process.execPath, args, {
        argv0: process.argv0,
        cwd: startedIn,
        env: { ...process.env, [PREDECESSOR]: String(process.pid) },
        stdio: 'inherit',
      });
      const { code, signal } = await endOf(child);
      if (code !== AGAIN) return await endLike(code, signal);
    }
  } finally {
    // Nobody is left to pass them on to.
    for (const signal of SIGNALS) process.removeListener(signal, passOn);
  }
};

interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const endOf = (child: ChildProcess): Promise<ProcessEnd> =>
  new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });

const endLike = async (code: number | null, signal: NodeJS.Signals | null): Promise<never> => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // The first process of a container is spared by signals: then with the code that shells give.
  await setTimeout(SIGNAL_LIMIT_MS);
  process.exit(128 + constants.signals[signal]);
};
