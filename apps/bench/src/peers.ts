import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Format } from './run/wire.js';

export interface PeerDefinition {
  readonly id: string;
  readonly title: string;
  /** The compiled module that exports its `Peer`, as a file URL. */
  readonly module: string;
  readonly format: Format;
  /** The packages whose versions say what was measured, as its module finds them. */
  readonly packages: readonly string[];
  /** How it is set up, beyond what a work asks of every peer. */
  readonly settings: string;
  /** Whether its consumers acknowledge messages after they have handled them. */
  readonly acks: boolean;
  /** Some are of interest at some works only; single rpcs are those with nothing else in flight. */
  readonly only?: 'rpc' | 'single rpc';
  /** Its folder, when it is a package of its own that has to be installed. */
  readonly folder?: string;
}

const inPeers = (file: string): string => new URL(`./peers/${file}`, import.meta.url).href;
const GOLEVELUP = fileURLToPath(new URL('../peers/golevelup/', import.meta.url));

/** Ours. The ratios are its values by those of the others. */
export const OURS = 'postage';
/** What any of them can reach at best. */
export const LIMIT = 'bare';

export const PEERS: readonly PeerDefinition[] = [
  {
    id: OURS,
    title: 'nestjs-postage',
    module: inPeers('postage.js'),
    format: 'postage',
    packages: ['nestjs-postage', '@nestjs/core', 'amqplib'],
    settings: 'defaults; controllers and injected producers, @Parameters(), unwrap()',
    acks: true,
  },
  {
    id: LIMIT,
    title: 'amqplib alone',
    module: inPeers('bare.js'),
    format: 'plain',
    packages: ['amqplib'],
    settings:
      'noDelay; confirm channel for publishing, rpc without confirms, one shared reply queue (noAck) and correlation ids; an ack for each message',
    acks: true,
  },
  {
    id: 'bare-confirms',
    title: 'amqplib alone, as careful as we are',
    module: inPeers('bare-confirms.js'),
    format: 'plain',
    packages: ['amqplib'],
    settings:
      'as bare, and requests and replies are confirmed, on connections of their own; a request is acked when its reply is confirmed; at rpc only',
    acks: true,
    only: 'rpc',
  },
  {
    id: 'nest',
    title: 'Nest RMQ transport as shipped',
    module: inPeers('nest-shipped.js'),
    format: 'nest',
    packages: ['@nestjs/microservices', 'amqp-connection-manager', 'amqplib'],
    settings: 'defaults: no noDelay, consumers without acks (noAck), so that the prefetch has no effect',
    acks: false,
  },
  {
    id: 'nest-acks',
    title: 'Nest RMQ transport as shipped, with acks',
    module: inPeers('nest-acks.js'),
    format: 'nest',
    packages: ['@nestjs/microservices', 'amqp-connection-manager', 'amqplib'],
    settings: 'no noDelay; noAck: false with an ack in the handler, prefetchCount; at single calls only',
    acks: true,
    only: 'single rpc',
  },
  {
    id: 'nest-tuned',
    title: 'Nest RMQ transport, tuned',
    module: inPeers('nest-tuned.js'),
    format: 'nest',
    packages: ['@nestjs/microservices', 'amqp-connection-manager', 'amqplib'],
    settings: 'noDelay, noAck: false with an ack in the handler, prefetchCount',
    acks: true,
  },
  {
    id: 'golevelup',
    title: '@golevelup/nestjs-rabbitmq',
    module: new URL('../peers/golevelup/dist/peer.js', import.meta.url).href,
    format: 'plain',
    packages: ['@golevelup/nestjs-rabbitmq', '@nestjs/core', 'amqplib'],
    settings: 'noDelay, prefetchCount; its acks, confirms and direct reply-to as they are',
    acks: true,
    folder: GOLEVELUP,
  },
  {
    id: 'rabbitmq-client',
    title: 'rabbitmq-client',
    module: inPeers('rabbitmq-client.js'),
    format: 'plain',
    packages: ['rabbitmq-client'],
    settings:
      'noDelay, qos.prefetchCount, publisher with confirm: true, RPC client without confirms (its default)',
    acks: true,
  },
];

/** The versions of its packages, for example `amqplib 2.3.1`, as its module finds them. */
export const versionsOf = ({ packages, module }: PeerDefinition): readonly string[] => {
  const { resolve } = createRequire(module);
  return packages.map((name) => {
    const found = (resolve.paths(name) ?? [])
      .map((folder) => join(folder, name, 'package.json'))
      .find((manifest) => existsSync(manifest));
    return `${name} ${found === undefined ? '?' : versionIn(found)}`;
  });
};

const versionIn = (manifest: string): string => {
  // Every package has one.
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string };
  return version;
};
