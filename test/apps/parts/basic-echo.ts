import { describe, expect, it } from 'vitest';
import { runToEnd, startReceiver } from '../support/program.js';
import { freshVhost } from '../support/vhost.js';

const FINISHED = { code: 0, signal: null };

export const basicEcho = (): void => {
  describe('basic-echo', () => {
    it('brings the message to the receiver, which prints it', async () => {
      const { url } = await freshVhost();
      const receiver = await startReceiver('basic-echo', { POSTAGE_URL: url });

      const { program, exit } = await runToEnd('basic-echo/dist/send.js', { POSTAGE_URL: url });

      expect(exit).toEqual(FINISHED);
      expect(program.stdout.lines).toEqual([]);
      expect(await receiver.stdout.until('A test message')).toEqual(['A test message']);
    });

    it('keeps messages for a receiver that is away', async () => {
      const { url } = await freshVhost();
      await (await startReceiver('basic-echo', { POSTAGE_URL: url })).stop();

      await runToEnd('basic-echo/dist/send.js', { POSTAGE_URL: url });

      const receiver = await startReceiver('basic-echo', { POSTAGE_URL: url });
      expect(await receiver.stdout.until('A test message')).toHaveLength(1);
    });

    it('finds its broker by single variables too', async () => {
      const { name, url } = await freshVhost();
      const { hostname, port } = new URL(url);
      const environment = { POSTAGE_HOST: hostname, POSTAGE_PORT: port, POSTAGE_VHOST: name };
      const receiver = await startReceiver('basic-echo', environment);

      expect((await runToEnd('basic-echo/dist/send.js', environment)).exit).toEqual(FINISHED);
      await receiver.stdout.until('A test message');
    });
  });
};
