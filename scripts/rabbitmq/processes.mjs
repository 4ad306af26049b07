import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;
const KILL_LIMIT_MS = 5_000;

/**
 * Sends a signal. A negative id means a process group, the signal 0 only asks whether there is one.
 *
 * @param {number} pid
 * @param {string | number} signal
 * @returns {boolean} false when there is no such process of ours
 */
export function sendSignal(pid, signal) {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/**
 * Dead, but not yet fetched by its parent. Where that is process 1 of a container, it may take long, or for ever.
 *
 * @param {number} pid
 */
function isZombie(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

/**
 * Whether there is such a process, or such a group: a negative id, alive as long as its leader.
 *
 * @param {number} pid
 */
const isAlive = (pid) => sendSignal(pid, 0) && !isZombie(Math.abs(pid));

/**
 * @param {() => boolean} condition
 * @param {number} timeoutMs
 * @returns {Promise<boolean>} false when the time was over first
 */
async function waitUntil(condition, timeoutMs) {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/**
 * Asks one process to end, and kills it when it has not within the grace time.
 *
 * @param {number} pid
 * @param {number} graceMs
 */
export async function endProcess(pid, graceMs) {
  sendSignal(pid, 'SIGTERM');
  if (await waitUntil(() => !isAlive(pid), graceMs)) return;
  await killAll([pid]);
}

/**
 * Asks the leader of a process group to end, and kills the group when it has not within the grace time.
 * Only the leader is asked: SIGTERM to Erlang's helpers would crash the node in the middle of its shutdown.
 *
 * @param {number} leader
 * @param {number} graceMs
 */
export async function endGroup(leader, graceMs) {
  sendSignal(leader, 'SIGTERM');
  await waitUntil(() => !isAlive(leader), graceMs);
  await killAll([-leader]);
}

/**
 * Kills processes (and groups: negative ids) and waits until they are gone.
 *
 * @param {readonly number[]} pids
 */
export async function killAll(pids) {
  for (const pid of pids) sendSignal(pid, 'SIGKILL');
  await waitUntil(() => !pids.some(isAlive), KILL_LIMIT_MS);
}

/**
 * The processes whose HOME is this folder: those of a node, and of every rabbitmqctl and port program it or a
 * test started. On Linux only; elsewhere there is no /proc to tell, and the list is empty.
 *
 * @param {string} folder
 * @returns {Promise<number[]>}
 */
async function processesAtHome(folder) {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      return environment.split('\0').includes(`HOME=${folder}`) ? pid : 0;
    }),
  );
  return found.filter((pid) => pid !== 0 && pid !== process.pid);
}

/**
 * Kills every process whose HOME is this folder, and waits until they are gone.
 *
 * @param {string} folder
 */
export async function killAllAtHome(folder) {
  const deadline = Date.now() + KILL_LIMIT_MS;
  while (Date.now() < deadline) {
    const pids = await processesAtHome(folder);
    if (pids.length === 0) return;
    for (const pid of pids) sendSignal(pid, 'SIGKILL');
    await sleep(POLL_MS);
  }
}
