import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawPeer } from '../support/raw-peer.js';
import { createVhost, type Vhost } from '../support/rabbit.js';
import { blocksOf, pages } from './markdown.js';
import { programsOf } from './programs.js';
import { Workshop } from './workshop.js';

/** What the page exports, as its readers would import it. */
interface Page {
  readonly move: (url: string, from: string, to: string) => Promise<number>;
  readonly waitMs: (retryAfter: string | null) => number;
}

let page: Page;

beforeAll(async () => {
  const workshop = new Workshop(pages().flatMap((each) => programsOf(blocksOf(each))));
  workshop.build();
  const exportsOf = (name: string): Promise<object> =>
    import(/* @vite-ignore */ pathToFileURL(workshop.file(`docs/retries/${name}.ts`)).href);
  // The page says so: what is not there fails below.
  page = { ...(await exportsOf('move')), ...(await exportsOf('stock.processor')) } as Page;
  return () => workshop.close();
});

describe('the wait that a server asks for', () => {
  it.each([
    ['0', 5_000],
    ['0.0015', 5_000],
    ['-7', 5_000],
    ['59.9', 60_000],
    ['61', 600_000],
    ['99999999', 3_600_000],
    [null, 60_000],
    ['soon', 60_000],
  ])('is one of few steps (%s)', (header, expected) => {
    expect(page.waitMs(header)).toBe(expected);
  });

  it('may be given as a date', () => {
    expect(page.waitMs(new Date(Date.now() + 300_000).toUTCString())).toBe(600_000);
    expect(page.waitMs('Wed, 21 Oct 2015 07:28:00 GMT')).toBe(5_000);
  });
});

describe.skipIf(!process.env['POSTAGE_TEST_URL'])('moving dead letters back', () => {
  let vhost: Vhost;
  let peer: RawPeer;

  beforeAll(async () => {
    vhost = await createVhost('docs-retries');
    peer = await RawPeer.connect(vhost.url);
  });

  afterAll(async () => {
    await peer.close();
    await vhost.delete();
  });

  const fill = async (queue: string): Promise<void> => {
    await peer.channel.assertQueue(queue);
    const channel = await peer.model.createConfirmChannel();
    for (const text of ['one', 'two', 'three'])
      channel.sendToQueue(queue, Buffer.from(text), { messageId: text, headers: { mine: text } });
    await channel.waitForConfirms();
    await channel.close();
  };

  const countIn = async (queue: string): Promise<number> =>
    (await peer.channel.checkQueue(queue)).messageCount;

  it('moves each of them once, as it is', async () => {
    await fill('work.dead');
    await peer.channel.assertQueue('work');

    expect(await page.move(vhost.url, 'work.dead', 'work')).toBe(3);

    expect(await countIn('work.dead')).toBe(0);
    const moved = await (await peer.consume('work')).take(3);
    expect(moved.map(({ content }) => content.toString())).toEqual(['one', 'two', 'three']);
    expect(moved.map(({ properties }) => [properties.messageId, properties.headers?.['mine']])).toEqual([
      ['one', 'one'],
      ['two', 'two'],
      ['three', 'three'],
    ]);
  });

  it('takes none from where it is when there is no such queue', async () => {
    await fill('other.dead');

    await expect(page.move(vhost.url, 'other.dead', 'otherr')).rejects.toThrow(/no queue 'otherr'/);

    expect(await countIn('other.dead')).toBe(3);
  });
});
