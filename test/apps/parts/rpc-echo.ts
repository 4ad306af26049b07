import { describe, expect, it } from 'vitest';
import { runToEnd, startReceiver } from '../support/program.js';
import { freshVhost } from '../support/vhost.js';

const SEND = 'rpc-echo/dist/send.js';
const ENDINGS = 'rpc-echo/dist/endings.js';

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

    it('shows the five ways in which a call can end', async () => {
      const { url } = await freshVhost();
      await startReceiver('rpc-echo', { POSTAGE_URL: url });

      const { program, exit } = await runToEnd(ENDINGS, { POSTAGE_URL: url });

      expect(exit).toEqual({ code: 0, signal: null });
      expect(program.stderr.lines).toEqual([]);
      expect(program.stdout.lines).toEqual([
        'success      11',
        'error        no such user: "nobody"',
        'exception    ZeroDivisionError: 7 / 0 (caught by its class)',
        expect.stringMatching(/^timeout      no reply to command "sleep" .* after 2 attempt\(s\) in \d+ ms$/),
        expect.stringMatching(/^unroutable   .* with key "nobody-rk": no queue is bound to that key/),
      ]);
    });

    it('runs the call that is sent twice once, and ends its handler when the caller is gone', async () => {
      const { url } = await freshVhost();
      const receiver = await startReceiver('rpc-echo', { POSTAGE_URL: url });

      await runToEnd(ENDINGS, { POSTAGE_URL: url });

      await receiver.stdout.until('woken up: CallAbandonedError');
      // What would run a second time is printed before it ends.
      expect(await receiver.stop()).toEqual({ code: 0, signal: null });
      expect(receiver.stdout.with('EndingsReceiveProcessor.sleep does not run again')).toHaveLength(1);
      expect(receiver.stdout.with('sleeping for')).toEqual(['sleeping for 60000 ms']);
      expect(receiver.stdout.with('woken up')).toHaveLength(1);
    });
  });
};
