// The process behind install.mjs: installs the package rabbitmq-server and leaves no service running.
import { existsSync } from 'node:fs';
import { readdir, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { findRabbitmqServer } from './find.mjs';
import { killAll } from './processes.mjs';
import { say, tolerateClosedStderr } from './progress.mjs';
import { ProgramError, run } from './run.mjs';

/** Asked by Debian's package scripts before they start a service; 101 means "forbidden". */
const POLICY = '/usr/sbin/policy-rc.d';
const SAVED_POLICY = `${POLICY}.before-postage`;
const FORBID_ALL = '#!/bin/sh\n# Put here by nestjs-postage while it installs rabbitmq-server.\nexit 101\n';

const LOCK_BUSY = /could not get lock|unable to (acquire|lock)/i;
const LOCK_RETRY_MS = 15_000;

const APT_OPTIONS = ['-y', '-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Dpkg::Use-Pty=0'];
const APT_ENVIRONMENT = {
  ...process.env,
  DEBIAN_FRONTEND: 'noninteractive',
  // Ubuntu's needrestart would ask which services to restart.
  NEEDRESTART_SUSPEND: '1',
  // LOCK_BUSY reads English.
  LC_ALL: 'C',
};

/** @param {...string} args */
async function aptGet(...args) {
  const once = () => run('apt-get', [...APT_OPTIONS, ...args], { env: APT_ENVIRONMENT });
  try {
    await once();
  } catch (error) {
    if (!(error instanceof ProgramError) || !LOCK_BUSY.test(error.output)) throw error;
    say('another program is installing packages: trying again in a moment');
    await sleep(LOCK_RETRY_MS);
    await once();
  }
}

async function forbidServiceStarts() {
  // A saved one is from an installation that was killed: what stands at POLICY now is ours, not the machine's.
  if (existsSync(POLICY) && !existsSync(SAVED_POLICY)) await rename(POLICY, SAVED_POLICY);
  await writeFile(POLICY, FORBID_ALL, { mode: 0o755 });
}

async function restoreServicePolicy() {
  await rm(POLICY, { force: true });
  if (existsSync(SAVED_POLICY)) await rename(SAVED_POLICY, POLICY);
}

/**
 * The port mappers of the Erlang just installed. By the program's file, not by its name: another Erlang on the
 * machine has one of its own.
 */
async function packagedEpmdProcesses() {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const programs = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/exe`).catch(() => '')));
  return pids.filter((_, index) => /^\/usr\/lib\/erlang\/.*\/epmd$/.test(programs[index] ?? ''));
}

/**
 * Package scripts also enable their services for the next start of the machine.
 *
 * @param {readonly string[]} units
 */
async function disableServices(units) {
  const now = existsSync('/run/systemd/system') ? ['--now'] : [];
  // Where there is no systemd, nothing was enabled.
  await run('systemctl', ['disable', ...now, ...units]).catch(() => {});
}

async function install() {
  const erlangIsNew = !existsSync('/usr/lib/erlang');
  await forbidServiceStarts();
  try {
    await aptGet('install', '--no-install-recommends', 'rabbitmq-server');
  } finally {
    await restoreServicePolicy();
  }
  await disableServices(['rabbitmq-server.service', ...(erlangIsNew ? ['epmd.socket', 'epmd.service'] : [])]);
  // Where Erlang was there before, its port mapper is somebody else's.
  if (erlangIsNew) await killAll(await packagedEpmdProcesses());
}

async function main() {
  // Another launcher may have installed it while this one waited for the lock.
  if (await findRabbitmqServer()) return;
  say('apt-get update');
  // A broken third-party source fails the update, yet the package may well be found.
  const update = await aptGet('update', '-o', 'APT::Update::Error-Mode=any').catch((error) => error);
  say('apt-get install rabbitmq-server (up to a minute)');
  try {
    await install();
  } catch (error) {
    if (update instanceof Error) say(update.message);
    throw error;
  }
  say('installed');
}

tolerateClosedStderr();
try {
  await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
