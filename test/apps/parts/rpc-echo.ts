import { describe, expect, it } from 'vitest';
import { runToEnd, startReceiver } from '../support/program.js';
import { freshVhost } from '../support/vhost.js';

const SEND = 'rpc-echo/dist/send.js';

export const rpcEcho = (): void => {
  describe('rpc-echo', () => {
    it('prints the parameters on one side, and the answer on the other', async () => {
      const { url } = await freshVhost();
      const receiver = await startReceiver('rpc-echo', { POSTAGE_URL: url });

      const { program, exit } = await runToEnd(SEND, { POSTAGE_URL: url });

      expect(exit).toEqual({ code: 0, signal: null });
      expect(program.stdout.lines).toEqual(['RPC message received']);
      expect(receiver.stdout.with('RPC test message')).toEqual(['RPC test message']);
    });

    it('says that the call failed, and why, when there has never been a receiver', async () => {
      const { url } = await freshVhost();

      const { program } = await runToEnd(SEND, { POSTAGE_URL: url });

      expect(program.stdout.lines).toEqual(['RPC failed']);
      expect(program.stderr.text).toContain('no queue is bound to that key');
    });

    it('says that the call failed when nobody answers in time, and leaves nothing to be answered later', async () => {
      const vhost = await freshVhost();
      const environment = { POSTAGE_URL: vhost.url };
      await (await startReceiver('rpc-echo', environment)).stop();

      const { program } = await runToEnd(SEND, environment);

      expect(program.stdout.lines).toEqual(['RPC failed']);
      expect(program.stderr.text).toContain('no reply to command "echo"');
      const receiver = await startReceiver('rpc-echo', environment);
      await runToEnd(SEND, environment);
      expect(receiver.stdout.with('RPC test message')).toHaveLength(1);
    });
  });
};
