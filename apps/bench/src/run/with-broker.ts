import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../../../../scripts/with-rabbitmq.mjs', import.meta.url));
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs this program once more, with POSTAGE_URL set to a broker that is started for it. Resolves with the exit code. */
export const runWithBroker = async (program: string, argv: readonly string[]): Promise<number> => {
  const command = [LAUNCHER, '--as', 'POSTAGE_URL', process.execPath, program, ...argv];
  const child = spawn(process.execPath, command, { stdio: 'inherit' });
  for (const signal of SIGNALS) {
    // A terminal sends Ctrl-C to it as well; we only wait until it has tidied up.
    process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  }
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
};
