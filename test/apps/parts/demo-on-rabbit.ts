import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../support/raw-peer.js';
import { runToEnd, startReceiver } from '../support/program.js';
import { freshVhost } from '../support/vhost.js';
import { DEMO_TEXTS, textsIn } from './demo-texts.js';

const DEMO = 'demo/dist/main.js';

export const demoOnRabbit = (): void => {
  describe('the demo with RabbitMQ', () => {
    it('runs on the broker of POSTAGE_URL, and leaves only what the apps leave', async () => {
      const vhost = await freshVhost();

      const { program, exit } = await runToEnd(DEMO, { POSTAGE_URL: vhost.url });

      const { text, lines } = program.stdout;
      expect(exit).toEqual({ code: 0, signal: null });
      expect(program.stderr.lines).toEqual([]);
      expect(lines[0]).toBe(`Broker: RabbitMQ at amqp://${new URL(vhost.url).host}/${vhost.name}`);
      expect(textsIn(text)).toEqual(DEMO_TEXTS);
      expect(text).toContain('sends to exchange "echo-exchange" with key "echo-rk"');
      expect(text).toContain('sends to exchange "echo-exchange" with key "echo-fanout-rk"');
      expect(text).toMatch(/sends to the default exchange with key "amq\.rabbitmq\.reply-to\./);
      expect(text).toContain('"content": {"type":"success","value":"RPC message received","message":""}');
      expect((await vhost.queues()).map(({ name }) => name)).toEqual(['echo-queue']);
    });

    it('runs on the broker that the other variables lead to', async () => {
      const { name, url } = await freshVhost();
      const { hostname, port, host } = new URL(url);
      const environment = { POSTAGE_HOST: hostname, POSTAGE_PORT: port, POSTAGE_VHOST: name };

      const { program, exit } = await runToEnd(DEMO, environment);

      expect(program.stdout.lines[0]).toBe(`Broker: RabbitMQ at amqp://${host}/${name}`);
      expect(exit.code).toBe(0);
    });

    it('waits for its own messages, not for those that somebody has left behind', async () => {
      const { url } = await freshVhost();
      const environment = { POSTAGE_URL: url };
      await (await startReceiver('basic-echo', environment)).stop();
      const { program: earlier } = await runToEnd('basic-echo/dist/send.js', environment);

      const { program, exit } = await runToEnd(DEMO, environment);

      expect(exit).toEqual({ code: 0, signal: null });
      expect(program.stdout.with('printed   A test message')).toHaveLength(2);
      expect(program.stdout.text).toContain(`"pid":"${earlier.pid}"`);
    });

    it('fails, and says what did not arrive, when somebody else takes a message', async () => {
      const { url } = await freshVhost();
      await using thief = await RawPeer.connect(url);
      await thief.channel.assertQueue('echo-queue', { durable: true });
      await thief.channel.consume('echo-queue', () => undefined, { noAck: true, priority: 10 });

      const { program, exit } = await runToEnd(DEMO, { POSTAGE_URL: url });

      expect(exit).toEqual({ code: 1, signal: null });
      expect(program.stderr.text).toContain(
        'The demo failed: this did not arrive:\n  the line "A test message"\n  the message {',
      );
    });

    it('fails, and says why, when the broker refuses a queue', async () => {
      const { url } = await freshVhost();
      await using peer = await RawPeer.connect(url);
      await peer.channel.assertQueue('echo-queue', { durable: false });

      const { program, exit } = await runToEnd(DEMO, { POSTAGE_URL: url });

      expect(exit).toEqual({ code: 1, signal: null });
      expect(program.stderr.text).toContain('The demo failed: queue "echo-queue": ');
    });
  });
};
