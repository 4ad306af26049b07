import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../support/raw-peer.js';
import { runToEnd, startReceiver, type Program } from '../support/program.js';
import { freshVhost } from '../support/vhost.js';

const SINGLE = 'A single test message';
const FANOUT = 'A fanout test message';
const FINGERPRINT = 'Message fingerprint: ';

export const advancedEcho = (): void => {
  describe('advanced-echo', () => {
    it('brings one message to one receiver, the other to every receiver, each to both handlers', async () => {
      const { url } = await freshVhost();
      const receivers = await startTwo(url);

      const { program: sender, exit } = await runToEnd('advanced-echo/dist/send.js', { POSTAGE_URL: url });
      expect(exit).toEqual({ code: 0, signal: null });

      for (const { stdout } of receivers) await stdout.until(FANOUT);
      const [lucky, other] = await untilOneHas(receivers, SINGLE);
      expect(fingerprints(await lucky.stdout.until(FINGERPRINT, 2))).toEqual(twice(fingerprintOf(sender)));
      expect(fingerprints(await other.stdout.until(FINGERPRINT))).toEqual([fingerprintOf(sender)]);
      for (const receiver of receivers) await receiver.stop();
      const printed = receivers.flatMap(({ stdout }) => stdout.lines);
      expect(printed.filter((line) => line === SINGLE)).toHaveLength(1);
      expect(printed.filter((line) => line === FANOUT)).toHaveLength(2);
    });

    it('shares the messages of the shared queue between the receivers, each message once', async () => {
      const { url } = await freshVhost();
      const receivers = await startTwo(url);
      const texts = Array.from({ length: 10 }, (_, index) => `message ${index}.`);
      await using peer = await RawPeer.connect(url);

      for (const text of texts) peer.publish('echo-exchange', 'echo-rk', echo(text));

      const printed = (): string[][] =>
        receivers.map(({ stdout }) => stdout.lines.filter((line) => line.startsWith('message ')));
      const all = (): boolean => printed().flat().length >= texts.length;
      await Promise.race(receivers.map(({ stdout }) => stdout.waitFor(all, 'all messages')));
      // What would come a second time is printed before they end.
      for (const receiver of receivers) await receiver.stop();
      expect(printed().flat().toSorted()).toEqual(texts);
      for (const share of printed()) expect(share).not.toEqual([]);
    });

    it('gives each receiver a private queue, which goes with it', async () => {
      const vhost = await freshVhost();
      const receivers = await startTwo(vhost.url);
      const privateNames = receivers.map(({ pid }) => `echo-queue-${pid}${hostname()}`);

      const queues = await vhost.queues();
      expect(queues.map(({ name }) => name).toSorted()).toEqual(['echo-queue', ...privateNames].toSorted());
      for (const { name, exclusive } of queues) expect(exclusive).toBe(name !== 'echo-queue');

      for (const receiver of receivers) await receiver.stop();
      expect((await vhost.queues()).map(({ name }) => name)).toEqual(['echo-queue']);
    });
  });
};

const startTwo = (url: string): Promise<[Program, Program]> => {
  const start = (): Promise<Program> => startReceiver('advanced-echo', { POSTAGE_URL: url });
  return Promise.all([start(), start()]);
};

/** Resolves with the receiver that prints this text, and the other one. */
const untilOneHas = async (
  [first, second]: [Program, Program],
  text: string,
): Promise<[Program, Program]> => {
  await Promise.any([first, second].map(({ stdout }) => stdout.until(text)));
  return first.stdout.with(text).length > 0 ? [first, second] : [second, first];
};

const fingerprints = (lines: readonly string[]): unknown[] =>
  lines.map((line) => JSON.parse(line.slice(FINGERPRINT.length)) as unknown);

const fingerprintOf = ({ pid }: Program): unknown =>
  expect.objectContaining({ name: 'echo_send', type: 'application', pid: String(pid), host: hostname() });

const twice = <T>(value: T): T[] => [value, value];

/** The command as a peer may write it. */
const echo = (parameters: string): object => ({
  type: 'command',
  name: 'echo',
  category: 'message',
  version: '2',
  fingerprint: {},
  content: { parameters },
  _reserved: {},
});
