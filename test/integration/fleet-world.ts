import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Address,
  ApplicationProducer,
  FleetDirectory,
  GenericApplicationExchange,
  PostageModule,
  type AddressedProducer,
} from 'nestjs-postage';
import { onTestFinished } from 'vitest';
import type { MemberConfig } from '../support/fleet-member.js';
import { createVhost, type Vhost } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { LIMIT_MS, Member, ROOT } from './fleet-process.js';

export interface StartOptions {
  /** Where it connects to, if not to the broker itself. */
  readonly url?: string;
}

/** A virtual host with members, and with those who talk to them. */
export class Fleet {
  readonly applications: ApplicationProducer;
  readonly directory: FleetDirectory;
  readonly #closers: (() => Promise<unknown>)[] = [];

  private constructor(
    readonly vhost: Vhost,
    readonly peer: RawPeer,
    controller: INestApplicationContext,
  ) {
    this.applications = controller.get(ApplicationProducer);
    this.directory = controller.get(FleetDirectory);
    this.atEnd(() => vhost.delete());
    this.atEnd(() => peer.close());
    this.atEnd(() => controller.close());
  }

  static async open(compatibility?: 'python'): Promise<Fleet> {
    const vhost = await createVhost('fleet');
    const connection = { url: vhost.url };
    const fingerprint = CONTROLLER;
    const root = PostageModule.forRoot({ connection, compatibility, fingerprint, log: false });
    @Module({ imports: [root] })
    class ControllerModule {}
    const peer = await RawPeer.connect(vhost.url);
    const controller = await NestFactory.createApplicationContext(ControllerModule, { logger: false });
    return new Fleet(vhost, peer, controller);
  }

  /** For one test. */
  static async forTest(compatibility?: 'python'): Promise<Fleet> {
    const fleet = await Fleet.open(compatibility);
    onTestFinished(() => fleet.close());
    return fleet;
  }

  atEnd(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }

  /** Begins, and may not come far. */
  launch(config: MemberConfig, { url = this.vhost.url }: StartOptions = {}): Member {
    const member = new Member(config, url);
    this.atEnd(() => member.close());
    return member;
  }

  /** Consumes its queues. */
  async start(config: MemberConfig, options?: StartOptions): Promise<Member> {
    const member = this.launch(config, options);
    await member.ready();
    return member;
  }

  startAll(configs: readonly MemberConfig[]): Promise<Member[]> {
    return Promise.all(configs.map((config) => this.start(config)));
  }

  /** The exchange of all components. */
  get exchange(): string {
    return GenericApplicationExchange.name;
  }

  /** Talks to whoever is at that address; nobody is asked twice. */
  at(key: string): AddressedProducer {
    return this.applications.at(Address.parse(key)).with({ timeoutMs: LIMIT_MS, maxRetry: 0 });
  }

  /** Auto-delete: a queue of members is there as long as somebody consumes it. */
  async isConsumed(queue: string): Promise<boolean> {
    return (await this.queues()).includes(queue);
  }

  /** The queues without those that the broker has named. */
  async queues(): Promise<string[]> {
    const all = await this.vhost.queues();
    return all.map(({ name }) => name).filter((name) => !name.startsWith('amq.gen-'));
  }
}

/** Who the tests are, when they talk to members. */
export const CONTROLLER = {
  name: 'controller',
  type: 'test',
  pid: '7',
  host: 'desk',
  user: 'tester',
} as const;

interface Vector {
  readonly case: string;
  readonly body: string;
}

/** The bytes that Python's Postage sends. */
export const vector = (name: string): string => {
  const found = fixture<Vector[]>('vectors').find((each) => each.case === name);
  if (!found) throw new Error(`no vector ${name}`);
  return found.body;
};

export const fixture = <T>(name: string): T =>
  JSON.parse(readFileSync(join(ROOT, `test/fixtures/wire/${name}.json`), 'utf8')) as T;
