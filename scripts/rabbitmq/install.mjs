import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { findProgram } from './find.mjs';
import { LauncherError } from './launcher-error.mjs';

const LOCK_LIMIT_SECONDS = 900;

/**
 * Whether this is Debian, Ubuntu or one of their kind, and we are root.
 *
 * @returns {Promise<boolean>}
 */
export async function canInstall() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const isDebian = /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release);
  return isDebian && (await findProgram('apt-get')) !== undefined;
}

/**
 * Installs the package in a process of its own, which neither Ctrl-C nor our own end interrupts: a package that is
 * half set up is worse than a minute of waiting, and what was changed for the time of the installation is put back.
 *
 * @returns {Promise<void>}
 * @throws {LauncherError}
 */
export async function installRabbitmq() {
  const script = fileURLToPath(new URL('./apt-install.mjs', import.meta.url));
  // One at a time: several launchers may find the same bare machine. The lock is on the folder of policy-rc.d, the
  // one thing changed there, and goes with its holder; --close keeps it from daemons a package may start.
  const lock = ['--close', '--timeout', String(LOCK_LIMIT_SECONDS), '/usr/sbin'];
  const child = spawn('flock', [...lock, process.execPath, script], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new LauncherError('RabbitMQ could not be installed.');
}
