import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ConnectionOptions } from 'nestjs-postage';
import { afterAll, beforeAll } from 'vitest';
import { FaultNode } from './fault-node.js';

/** See test/fixtures/tls/make.sh. */
export type Identity = 'server' | 'elsewhere' | 'expired' | 'client' | 'stranger';

const FIXTURES = fileURLToPath(new URL('../../fixtures/tls/', import.meta.url));
const fixture = (name: string): Promise<Buffer> => readFile(join(FIXTURES, name));

export const ownAuthority = (): Promise<Buffer> => fixture('ca.pem');

export const identity = async (name: Identity): Promise<{ cert: Buffer; key: Buffer }> => ({
  cert: await fixture(`${name}.pem`),
  key: await fixture(`${name}.key`),
});

/** A RabbitMQ node with a listener for TLS, which lets nobody in without a certificate of our authority. */
export class TlsNode {
  #node: FaultNode | undefined;
  #folder = '';

  async start(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'postage-tls-'));
    await this.#copy('server');
    this.#node = new FaultNode({
      tls: {
        cacertfile: join(FIXTURES, 'ca.pem'),
        certfile: join(this.#folder, 'cert.pem'),
        keyfile: join(this.#folder, 'key.pem'),
        verify: 'verify_peer',
        fail_if_no_peer_cert: true,
      },
    });
    await this.#node.start();
  }

  async stop(): Promise<void> {
    await this.#node?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  get plain(): FaultNode {
    if (!this.#node) throw new Error('the node has not been started yet');
    return this.#node;
  }

  get port(): number {
    return this.plain.tlsPort;
  }

  /** As guest, by this name. */
  url(host = 'localhost'): string {
    return `amqps://guest:guest@${host}:${this.port}`;
  }

  /** Changes the certificate that it shows to whoever connects from now on, as a renewal would. */
  async present(name: Identity): Promise<void> {
    await this.#copy(name);
    await this.plain.ctl('eval', 'ssl:clear_pem_cache().');
  }

  async #copy(name: Identity): Promise<void> {
    await copyFile(join(FIXTURES, `${name}.pem`), join(this.#folder, 'cert.pem'));
    await copyFile(join(FIXTURES, `${name}.key`), join(this.#folder, 'key.pem'));
  }
}

/** One for the tests of this file. */
export const tlsNode = (): TlsNode => {
  const node = new TlsNode();
  beforeAll(() => node.start());
  afterAll(() => node.stop());
  return node;
};

/** Everything that the node wants of a client. */
export const trusted = async (): Promise<NonNullable<Exclude<ConnectionOptions['tls'], boolean>>> => ({
  ca: await ownAuthority(),
  ...(await identity('client')),
});
