import { rm } from 'node:fs/promises';
import { endProcess, killAll, killAllAtHome } from './processes.mjs';
import { run } from './run.mjs';

/**
 * Something that must not outlive the launcher.
 *
 * @typedef {{ kind: 'command', pid: number }
 *   | { kind: 'group', leader: number }
 *   | { kind: 'folder', path: string }
 *   | { kind: 'container', name: string }} Leftover
 */

const COMMAND_GRACE_MS = 5_000;

/**
 * Ends whatever still lives in a node's folder, then removes it.
 *
 * @param {string} path
 */
export async function removeNodeFolder(path) {
  await killAllAtHome(path);
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** @param {string} name */
export async function removeContainer(name) {
  await run('docker', ['rm', '--force', '--volumes', name], { timeoutMs: 60_000 });
}

/** @param {Leftover} leftover */
function clear(leftover) {
  switch (leftover.kind) {
    case 'command':
      return endProcess(leftover.pid, COMMAND_GRACE_MS);
    case 'group':
      return killAll([-leftover.leader]);
    case 'folder':
      return removeNodeFolder(leftover.path);
    case 'container':
      return removeContainer(leftover.name);
  }
}

/**
 * Clears leftovers; one that cannot be cleared does not keep the others.
 *
 * @param {readonly Leftover[]} leftovers
 */
export async function clearLeftovers(leftovers) {
  // The latest first: the command before its broker, a node before the folder it writes to.
  for (const leftover of leftovers.toReversed()) await clear(leftover)?.catch(() => {});
}
