import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';

/** The launcher behind Debian's and RPM's /usr/sbin/rabbitmq-server, which insists on root or the rabbitmq user. */
const PACKAGED_SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** Homebrew's sbin is often not on PATH. */
const HOMEBREW_SERVERS = [
  '/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server',
  '/usr/local/opt/rabbitmq/sbin/rabbitmq-server',
];

/** @param {string} path */
async function isProgram(path) {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** @param {readonly string[]} paths */
async function firstProgram(paths) {
  for (const path of paths) {
    if (await isProgram(path)) return path;
  }
  return undefined;
}

/**
 * Finds a program the way a shell does: a name on PATH, anything with a slash as a path.
 *
 * @param {string} program
 * @param {string} [path] defaults to this process's PATH
 * @returns {Promise<string | undefined>}
 */
export function findProgram(program, path = process.env['PATH']) {
  if (isAbsolute(program) || program.includes('/')) return firstProgram([resolve(program)]);
  const folders = (path ?? '').split(delimiter).filter((folder) => folder !== '');
  return firstProgram(folders.map((folder) => join(folder, program)));
}

/**
 * Finds the rabbitmq-server launcher any user may run.
 *
 * @returns {Promise<string | undefined>}
 */
export async function findRabbitmqServer() {
  if (await isProgram(PACKAGED_SERVER)) return PACKAGED_SERVER;
  return (await findProgram('rabbitmq-server')) ?? firstProgram(HOMEBREW_SERVERS);
}

/**
 * Finds the rabbitmqctl that belongs to a launcher: beside it, or beside what it is a link to.
 *
 * @param {string} server
 * @returns {Promise<string | undefined>}
 */
export async function findRabbitmqctl(server) {
  const target = await realpath(server);
  return firstProgram([server, target].map((path) => join(dirname(path), 'rabbitmqctl')));
}

/**
 * Finds Erlang's port mapper: on PATH, or beside the real `erl`.
 *
 * @returns {Promise<string | undefined>}
 */
export async function findEpmd() {
  const onPath = await findProgram('epmd');
  if (onPath !== undefined) return onPath;
  const erl = await findProgram('erl');
  return erl === undefined ? undefined : firstProgram([join(dirname(await realpath(erl)), 'epmd')]);
}
