import { afterAll, beforeAll } from 'vitest';
import {
  startPrivateNode,
  type PrivateNode,
  type PrivateNodeOptions,
} from '../../../scripts/rabbitmq/private-node.mjs';
import { eventually } from '../../support/eventually.js';
import { createVhost, managementOf, uniqueName, type Broker, type Vhost } from '../../support/rabbit.js';

export interface FaultNodeOptions extends Pick<PrivateNodeOptions, 'config' | 'plugins' | 'tls'> {
  /** A node that runs, whose cluster this one joins when it starts. */
  readonly beside?: FaultNode;
}

/** What a user may do in one virtual host, as patterns. @default everything */
export interface Rights {
  readonly configure?: string;
  readonly write?: string;
  readonly read?: string;
}

export interface NodeUser {
  readonly name: string;
  readonly password: string;
  /** Leads to the virtual host as this user. */
  readonly url: string;
}

/** A RabbitMQ node of one file of tests, which may do anything to it. A start takes about 6 s, ctl 1 to 3 s. */
export class FaultNode implements Broker {
  readonly #options: FaultNodeOptions;
  #node: PrivateNode | undefined;

  constructor(options: FaultNodeOptions = {}) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { beside, config = {}, ...others } = this.#options;
    if (beside === undefined) this.#node = await startPrivateNode({ config, ...others });
    else {
      const joining = {
        'cluster_formation.peer_discovery_backend': 'classic_config',
        'cluster_formation.classic_config.nodes.1': beside.name,
      };
      this.#node = await startPrivateNode({
        beside: beside.#started,
        config: { ...config, ...joining },
        ...others,
      });
    }
  }

  /** Ends it, and removes everything that it left. */
  async stop(): Promise<void> {
    await this.#node?.stop();
  }

  get url(): string {
    return this.#started.url;
  }

  get managementUrl(): string {
    return this.#started.managementUrl;
  }

  /** Erlang's name of it. */
  get name(): string {
    return this.#started.identity.name;
  }

  /** Of its listener for TLS. */
  get tlsPort(): number {
    const { tlsPort } = this.#started.identity;
    if (tlsPort === undefined) throw new Error('the node has no listener for TLS');
    return tlsPort;
  }

  /** Its process, of the present run or the last one. */
  get pid(): number {
    return this.#started.pid;
  }

  /** Crashes it: SIGKILL. What was on the disk stays. */
  kill(): Promise<void> {
    return this.#started.kill();
  }

  /** Starts it again on the same data and the same ports. */
  restart(): Promise<void> {
    return this.#started.restart();
  }

  /** Runs rabbitmqctl. */
  ctl(...args: readonly string[]): Promise<string> {
    return this.#started.ctl(...args);
  }

  /** Runs Erlang on it, and resolves with what that returned, as text. */
  async eval(expression: string): Promise<string> {
    return (await this.ctl('eval', `${expression}.`)).trim();
  }

  /** Changes a setting of the node that runs, such as `rabbit`, `channel_tick_interval`, `500`, until it restarts. */
  async setEnvironment(application: string, key: string, value: string): Promise<void> {
    await this.eval(`application:set_env(${application}, ${key}, ${value})`);
  }

  /** The broker blocks everybody who publishes. */
  async raiseMemoryAlarm(): Promise<void> {
    await this.ctl('set_vm_memory_high_watermark', 'absolute', '1');
  }

  async clearMemoryAlarm(): Promise<void> {
    await this.ctl('set_vm_memory_high_watermark', '0.4');
  }

  vhost(prefix = 'faults'): Promise<Vhost> {
    return createVhost(prefix, this);
  }

  user(vhost: Vhost, rights: Rights = {}): Promise<NodeUser> {
    return createUser(this, vhost, rights);
  }

  /** Closes every connection of this user, as an operator would; resolves when the broker has told them. */
  closeConnectionsOf({ name }: Pick<NodeUser, 'name'>): Promise<void> {
    return closeConnectionsOf(this, name);
  }

  /**
   * Resolves once a quorum queue would survive a crash of its only node. RabbitMQ 3.10 elects no leader of one that crashed
   * before its first tick, 5 s after it was made: it is there, and answers nobody.
   * @see https://github.com/rabbitmq/rabbitmq-server/issues/10070
   */
  async hasTicked(vhost: Vhost, queue: string): Promise<void> {
    const path = `/queues/${encodeURIComponent(vhost.name)}/${queue}`;
    await eventually(async () => {
      // Ticks tell how many messages there are.
      const { messages } = await managementOf<{ messages?: number }>(this, 'GET', path);
      if (messages === undefined) throw new Error(`${queue} has not ticked yet`);
    }, 30_000);
  }

  /** Makes it the leader of a quorum queue of its cluster. */
  async lead(vhost: Vhost, queue: string): Promise<void> {
    const lookup = `rabbit_amqqueue:lookup(rabbit_misc:r(<<"${vhost.name}">>, queue, <<"${queue}">>))`;
    const leader = `{ok, Q} = ${lookup}, {Name, Leader} = amqqueue:get_pid(Q)`;
    await eventually(async () => {
      await this.eval(`${leader}, ra:transfer_leadership({Name, Leader}, {Name, node()})`);
      if ((await this.eval(`${leader}, Leader =:= node()`)) !== 'true')
        throw new Error('it does not lead yet');
    });
  }

  get #started(): PrivateNode {
    if (!this.#node) throw new Error('the node has not been started yet');
    return this.#node;
  }
}

/** A new user of this virtual host alone. It goes with the broker, or `deleteUser` takes it away. */
export const createUser = async (broker: Broker, vhost: Vhost, rights: Rights = {}): Promise<NodeUser> => {
  const { configure = '.*', write = '.*', read = '.*' } = rights;
  const name = uniqueName('user');
  const password = uniqueName('secret');
  await managementOf(broker, 'PUT', `/users/${name}`, { password, tags: '' });
  const path = `/permissions/${encodeURIComponent(vhost.name)}/${name}`;
  await managementOf(broker, 'PUT', path, { configure, write, read });
  const url = new URL(vhost.url);
  url.username = name;
  url.password = password;
  return { name, password, url: url.href };
};

export const deleteUser = (broker: Broker, { name }: Pick<NodeUser, 'name'>): Promise<void> =>
  managementOf(broker, 'DELETE', `/users/${name}`);

/** The broker knows them at once, unlike those that its statistics list. */
export const closeConnectionsOf = (broker: Broker, user: string): Promise<void> =>
  managementOf(broker, 'DELETE', `/connections/username/${user}`);

/** A node for the tests of this file: it starts before them, and ends after them. */
export const faultNode = (options: FaultNodeOptions = {}): FaultNode => {
  const node = new FaultNode(options);
  beforeAll(() => node.start());
  afterAll(() => node.stop());
  return node;
};

/** So many nodes in one cluster, for the tests of this file. Three take about 15 s. */
export const faultCluster = (size: number, options: FaultNodeOptions = {}): readonly FaultNode[] => {
  const first = new FaultNode(options);
  const others = Array.from({ length: size - 1 }, () => new FaultNode({ ...options, beside: first }));
  beforeAll(async () => {
    await first.start();
    await Promise.all(others.map((node) => node.start()));
    const { running_nodes: running } = JSON.parse(
      await first.ctl('-q', 'cluster_status', '--formatter', 'json'),
    ) as { running_nodes: string[] };
    if (running.length !== size) throw new Error(`${running.length} of ${size} nodes are in the cluster`);
  }, 180_000);
  afterAll(async () => {
    await Promise.all(others.map((node) => node.stop()));
    await first.stop();
  });
  return [first, ...others];
};
