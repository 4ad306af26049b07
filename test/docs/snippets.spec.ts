import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createVhost, type Vhost } from '../support/rabbit.js';
import { blocksOf, pages, ROOT } from './markdown.js';
import { programsOf } from './programs.js';
import { Running } from './running.js';
import { Workshop } from './workshop.js';

const blocks = pages().map(blocksOf);

let workshop: Workshop;
const started: Running[] = [];

/** Runs a program of the documentation, for example `readme/send.ts`; it is ended with the test. */
const run = (path: string, environment: Readonly<Record<string, string>> = {}): Running => {
  const running = new Running(workshop.file(path), environment);
  started.push(running);
  return running;
};

beforeAll(() => {
  workshop = new Workshop(blocks.flatMap(programsOf));
  workshop.build();
  return () => workshop.close();
});

afterEach(async () => {
  for (const running of started.splice(0)) await running.terminate();
});

describe('the documentation', () => {
  it('has TypeScript that compiles', () => {
    expect(workshop.problems()).toEqual([]);
  });
});

interface Vector {
  readonly case: string;
  readonly body: string;
}

const vectors = JSON.parse(
  readFileSync(join(ROOT, 'test/fixtures/wire/vectors.json'), 'utf8'),
) as readonly Vector[];

describe('the wire format', () => {
  const shown = blocks.flat().filter(({ mark }) => mark?.key === 'vector');

  it.for(shown.map((block) => [block.mark?.value ?? '', block] as const))(
    'shows what the original put on the broker, but for blanks and escapes: %s',
    ([name, block]) => {
      const vector = vectors.find((candidate) => candidate.case === name);
      expect(block.text).toBe(JSON.stringify(JSON.parse(vector?.body ?? 'null')));
    },
  );
});

describe('without a broker', () => {
  it('the quick start prints what it says', async () => {
    const memory = run('readme/memory.ts');
    expect([await memory.end(), memory.lines]).toEqual([0, ['A test message', '11']]);
  });

  it('the example of a test passes', async () => {
    const test = run('docs/testing/shop.test.ts');
    expect([await test.end(), test.output]).toEqual([0, expect.stringContaining('# pass 4')]);
  });
});

describe.skipIf(!process.env['POSTAGE_TEST_URL'])('on RabbitMQ', () => {
  let vhost: Vhost;
  let broker: { readonly POSTAGE_URL: string };

  beforeAll(async () => {
    vhost = await createVhost('docs');
    broker = { POSTAGE_URL: vhost.url };
  });

  afterAll(() => vhost.delete());

  it('the quick start prints what it says, and ends on SIGTERM', async () => {
    const receiver = run('readme/receive.ts', broker);
    await receiver.until('consuming queue "echo-queue"');
    const sender = run('readme/send.ts', broker);

    expect([await sender.end(), sender.lines]).toEqual([0, ['11']]);
    await receiver.until('A test message');
    await receiver.terminate();
    expect(receiver.lines).toEqual(['A test message']);
  });

  it('the receiver with a private queue gets both messages', async () => {
    const receiver = run('docs/getting-started/receive.ts', broker);
    await receiver.until('Nest microservice successfully started');
    const sender = run('docs/getting-started/send.ts', broker);

    expect(await sender.end()).toBe(0);
    await receiver.until('A single test message');
    await receiver.until('A fanout test message');
    expect(receiver.output).toContain("name: 'echo_send'");
  });

  it('a peer without the library calls the quick start, and answers it', async () => {
    const receiver = run('readme/receive.ts', broker);
    await receiver.until('consuming queue "echo-queue"');
    const caller = run('docs/wire-format/calling-peer.ts', broker);
    expect([await caller.end(), caller.lines]).toEqual([0, ['success 11']]);
    await receiver.until('Hello from a peer');
    await receiver.terminate();

    const answerer = run('docs/wire-format/answering-peer.ts', broker);
    await answerer.until('answering');
    const sender = run('readme/send.ts', broker);
    expect([await sender.end(), sender.lines]).toEqual([0, ['11']]);
  });
});
