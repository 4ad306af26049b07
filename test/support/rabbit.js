import { randomBytes } from 'node:crypto';
const required = (name) => {
  const value = process.env[name];
  if (value) return value;
  throw new Error(
    `${name} is not set: run these tests with "npm test", which starts a broker, or with "node scripts/with-rabbitmq.mjs npx vitest run ...".`,
  );
};
/** The broker that scripts/with-rabbitmq.mjs has started for this run. */
export const brokerUrl = () => required('POSTAGE_TEST_URL');
export const uniqueName = (prefix) => `${prefix}-${randomBytes(6).toString('hex')}`;
/** RabbitMQ's management API. Its statistics lag behind by some seconds; what exists (queues, bindings) is exact. */
export const management = async (method, path, body) => {
  const url = new URL(required('POSTAGE_TEST_MANAGEMENT_URL'));
  const authorization = `Basic ${Buffer.from(`${url.username}:${url.password}`).toString('base64')}`;
  const response = await fetch(`${url.origin}/api${path}`, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  // The caller knows what it asked for.
  return text === '' ? undefined : JSON.parse(text);
};
/** A virtual host of its own, for tests whose names are fixed. */
export const createVhost = async (prefix = 'test') => {
  const name = uniqueName(prefix);
  const path = `/vhosts/${encodeURIComponent(name)}`;
  await management('PUT', path);
  await management('PUT', `/permissions/${encodeURIComponent(name)}/guest`, {
    configure: '.*',
    write: '.*',
    read: '.*',
  });
  const url = new URL(brokerUrl());
  url.pathname = `/${encodeURIComponent(name)}`;
  const remove = async () => management('DELETE', path);
  return {
    name,
    url: url.href,
    queues: () =>
      management('GET', `/queues/${encodeURIComponent(name)}?disable_stats=true&enable_queue_totals=true`),
    closeConnections: () => closeConnections(name),
    delete: remove,
    [Symbol.asyncDispose]: remove,
  };
};
const closeConnections = async (vhost) => {
  const connections = await management('GET', `/vhosts/${encodeURIComponent(vhost)}/connections`);
  for (const { name } of connections) {
    await management('DELETE', `/connections/${encodeURIComponent(name)}`).catch(() => undefined);
  }
};
