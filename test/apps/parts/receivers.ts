import { describe, expect, it } from 'vitest';
import { startReceiver } from '../support/program.js';
import { freshVhost } from '../support/vhost.js';

export const receivers = (): void => {
  describe('the receivers of all echo apps', () => {
    it.each([
      ['basic-echo', 'SIGTERM'],
      ['basic-echo', 'SIGINT'],
      ['advanced-echo', 'SIGTERM'],
      ['rpc-echo', 'SIGTERM'],
    ] as const)('%s: end cleanly on %s', async (app, signal) => {
      const { url } = await freshVhost();
      const receiver = await startReceiver(app, { POSTAGE_URL: url });

      expect(await receiver.stop(signal)).toEqual({ code: 0, signal: null });
      expect(receiver.stderr.lines).toEqual([]);
    });
  });
};
