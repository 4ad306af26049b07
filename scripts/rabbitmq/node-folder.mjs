import { chmod, mkdir, mkdtemp, realpath, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * What makes one node different from the others on the machine.
 *
 * @typedef {object} NodeIdentity
 * @property {string} name Erlang's name of the node, `x@localhost`
 * @property {string} cookie the secret it shares with rabbitmqctl and the other nodes of its cluster
 * @property {number} amqpPort
 * @property {number} managementPort
 * @property {number} distPort
 * @property {number} epmdPort
 * @property {number | undefined} tlsPort none where there is no listener for TLS
 */

/**
 * @typedef {object} NodeSettings
 * @property {readonly string[]} plugins
 * @property {Readonly<Record<string, string | number | boolean>>} config
 * @property {Readonly<Record<string, string | boolean>>} tls ssl_options
 * @property {string} rabbitmqctl
 */

/**
 * A folder that holds everything of one node.
 *
 * @typedef {object} NodeFolder
 * @property {string} path
 * @property {string} log
 * @property {string} ctl a script that runs rabbitmqctl for this node
 * @property {string} pidFile
 * @property {NodeJS.ProcessEnv} env the environment of the node
 */

/** The range rabbitmqctl listens in: its default, eleven ports, is too few for many tests at once. */
const CTL_PORTS = { RABBITMQ_CTL_DIST_PORT_MIN: '32000', RABBITMQ_CTL_DIST_PORT_MAX: '32767' };

/** Settings of the caller's own RabbitMQ or Erlang, which must not reach ours. */
const FOREIGN_VARIABLE = /^(RABBITMQ_|ERL_|XDG_|NOTIFY_SOCKET$|NODE_OPTIONS$)/;

/** @param {string} word */
const shellQuoted = (word) => `'${word.replaceAll("'", String.raw`'\''`)}'`;

/**
 * @param {string} path
 * @param {NodeIdentity} identity
 * @returns {NodeJS.ProcessEnv}
 */
function nodeEnvironment(path, identity) {
  const own = Object.entries(process.env).filter(([name]) => !FOREIGN_VARIABLE.test(name));
  return {
    ...Object.fromEntries(own),
    HOME: path,
    LC_ALL: 'C.UTF-8',
    ERL_EPMD_PORT: String(identity.epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: identity.name,
    RABBITMQ_NODE_PORT: String(identity.amqpPort),
    RABBITMQ_DIST_PORT: String(identity.distPort),
    RABBITMQ_MNESIA_BASE: join(path, 'mnesia'),
    RABBITMQ_LOG_BASE: join(path, 'log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: join(path, 'node.pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(path, 'enabled_plugins'),
    RABBITMQ_CONFIG_FILE: join(path, 'rabbitmq'),
    // None of the machine's own configuration in /etc/rabbitmq.
    RABBITMQ_CONFIG_FILES: join(path, 'conf.d'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(path, 'advanced.config'),
    RABBITMQ_CONF_ENV_FILE: join(path, 'rabbitmq-env.conf'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    // The launcher then becomes the node instead of waiting beside it: its process id is the node's.
    RUNNING_UNDER_SYSTEMD: 'true',
    ...CTL_PORTS,
  };
}

/**
 * @param {NodeIdentity} identity
 * @param {NodeSettings['tls']} tls
 */
function tlsListener({ tlsPort }, tls) {
  if (tlsPort === undefined) return {};
  const options = Object.entries(tls).map(([key, value]) => [`ssl_options.${key}`, value]);
  return { 'listeners.ssl.local': `127.0.0.1:${tlsPort}`, ...Object.fromEntries(options) };
}

/**
 * @param {NodeIdentity} identity
 * @param {NodeSettings} settings
 */
function configFile(identity, { config, tls }) {
  const settings = {
    'listeners.tcp.local': `127.0.0.1:${identity.amqpPort}`,
    'management.tcp.ip': '127.0.0.1',
    'management.tcp.port': identity.managementPort,
    'management_agent.disable_metrics_collector': false,
    // Tests ask the management API who is connected: it need not know it five seconds late.
    collect_statistics_interval: 1_000,
    'log.console.level': 'info',
    ...tlsListener(identity, tls),
    ...config,
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
  return lines.join('');
}

/**
 * @param {string} rabbitmqctl
 * @param {NodeJS.ProcessEnv} env
 */
function ctlScript(rabbitmqctl, env) {
  const names = [
    'HOME',
    'PATH',
    'LC_ALL',
    'RABBITMQ_NODENAME',
    'RABBITMQ_CONF_ENV_FILE',
    ...Object.keys(CTL_PORTS),
  ];
  const exports = [...names, 'ERL_EPMD_PORT', 'ERL_EPMD_ADDRESS'].map(
    (name) => `export ${name}=${shellQuoted(env[name] ?? '')}\n`,
  );
  return `#!/bin/sh\n${exports.join('')}exec ${shellQuoted(rabbitmqctl)} "$@"\n`;
}

/**
 * Makes the empty folder, readable by its user alone.
 *
 * @returns {Promise<string>}
 */
export async function makeTemporaryFolder() {
  return mkdtemp(join(await realpath(tmpdir()), 'postage-rabbitmq-'));
}

/**
 * Writes the files a node needs.
 *
 * @param {string} path
 * @param {NodeIdentity} identity
 * @param {NodeSettings} settings
 * @returns {Promise<NodeFolder>}
 */
export async function fillNodeFolder(path, identity, settings) {
  const { plugins, rabbitmqctl } = settings;
  const env = nodeEnvironment(path, identity);
  const ctl = join(path, 'rabbitmqctl');
  await Promise.all([
    mkdir(join(path, 'conf.d')),
    writeFile(join(path, '.erlang.cookie'), identity.cookie, { mode: 0o400 }),
    writeFile(join(path, 'rabbitmq.conf'), configFile(identity, settings)),
    writeFile(join(path, 'enabled_plugins'), `[${plugins.join(',')}].\n`),
    writeFile(join(path, 'rabbitmq-env.conf'), ''),
    writeFile(ctl, ctlScript(rabbitmqctl, env)),
  ]);
  // Not by the mode of writeFile, which the umask may narrow.
  await chmod(ctl, 0o700);
  return { path, log: join(path, 'node.log'), ctl, pidFile: join(path, 'node.pid'), env };
}
