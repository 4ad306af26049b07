import { randomBytes } from 'node:crypto';

const required = (name: string): string => {
  const value = process.env[name];
  if (value) return value;
  throw new Error(
    `${name} is not set: run these tests with "npm test", which starts a broker, or with "node scripts/with-rabbitmq.mjs npx vitest run ...".`,
  );
};

/** The broker that scripts/with-rabbitmq.mjs has started for this run. */
export const brokerUrl = (): string => required('POSTAGE_TEST_URL');

export const uniqueName = (prefix: string): string => `${prefix}-${randomBytes(6).toString('hex')}`;

export interface QueueInfo {
  readonly name: string;
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly auto_delete: boolean;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface ConnectionInfo {
  readonly name: string;
  readonly vhost: string;
  readonly user_provided_name?: string;
  readonly client_properties: Readonly<Record<string, unknown>>;
}

/** Where a broker is. */
export interface Broker {
  readonly url: string;
  readonly managementUrl: string;
}

export const givenBroker = (): Broker => ({
  url: brokerUrl(),
  managementUrl: required('POSTAGE_TEST_MANAGEMENT_URL'),
});

/** RabbitMQ's management API. Its statistics lag behind by some seconds; what exists (queues, bindings) is exact. */
export const management = <T>(method: string, path: string, body?: unknown): Promise<T> =>
  managementOf<T>(givenBroker(), method, path, body);

/** How long the broker may go on saying that something inside of it has failed. */
const TROUBLE_MS = 15_000;
const TROUBLE_PAUSE_MS = 100;

/**
 * The same of a certain broker. It answers 500 while one of its nodes is not there yet, or when what it was to close has
 * closed by itself; to ask for the same once more does no harm.
 */
export const managementOf = async <T>(
  { managementUrl }: Pick<Broker, 'managementUrl'>,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> => {
  const url = new URL(managementUrl);
  const authorization = `Basic ${Buffer.from(`${url.username}:${url.password}`).toString('base64')}`;
  const ask = (): Promise<Response> =>
    fetch(`${url.origin}/api${path}`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const endMs = performance.now() + (method === 'POST' ? 0 : TROUBLE_MS);
  let response = await ask();
  while (response.status >= 500 && performance.now() < endMs) {
    await response.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, TROUBLE_PAUSE_MS));
    response = await ask();
  }
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  // The caller knows what it asked for.
  return (text === '' ? undefined : JSON.parse(text)) as T;
};

export interface Vhost extends AsyncDisposable {
  readonly name: string;
  /** Leads to this virtual host as guest. */
  readonly url: string;
  queues(): Promise<QueueInfo[]>;
  /** Closes every connection to it, as an operator would. */
  closeConnections(): Promise<void>;
  delete(): Promise<void>;
}

/** A virtual host of its own, for tests whose names are fixed. */
export const createVhost = async (prefix = 'test', broker: Broker = givenBroker()): Promise<Vhost> => {
  const name = uniqueName(prefix);
  const path = `/vhosts/${encodeURIComponent(name)}`;
  await managementOf(broker, 'PUT', path);
  await managementOf(broker, 'PUT', `/permissions/${encodeURIComponent(name)}/guest`, {
    configure: '.*',
    write: '.*',
    read: '.*',
  });
  const url = new URL(broker.url);
  url.pathname = `/${encodeURIComponent(name)}`;
  const remove = async (): Promise<void> => managementOf(broker, 'DELETE', path);
  return {
    name,
    url: url.href,
    queues: () =>
      managementOf(
        broker,
        'GET',
        `/queues/${encodeURIComponent(name)}?disable_stats=true&enable_queue_totals=true`,
      ),
    closeConnections: () => closeConnections(name, broker),
    delete: remove,
    [Symbol.asyncDispose]: remove,
  };
};

const closeConnections = async (vhost: string, broker: Broker): Promise<void> => {
  const path = `/vhosts/${encodeURIComponent(vhost)}/connections`;
  const connections = await managementOf<ConnectionInfo[]>(broker, 'GET', path);
  for (const { name } of connections) {
    await managementOf(broker, 'DELETE', `/connections/${encodeURIComponent(name)}`).catch(() => undefined);
  }
};
