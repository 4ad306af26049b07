import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { Program } from '../support/program.js';
import { freshVhost } from '../support/vhost.js';

const BENCH = 'bench/dist/main.js';
const WORKS = ['rpc-100-100b', 'drain-100-100b'];
const PEERS = ['postage', 'bare'];

interface Report {
  readonly environment: { readonly broker: string };
  readonly works: readonly {
    readonly id: string;
    readonly contenders: readonly {
      readonly id: string;
      readonly failure?: string;
      readonly samples: readonly { readonly rate: number }[];
    }[];
    readonly ratios: readonly { readonly of: string; readonly to: string; readonly median: number }[];
  }[];
}

const run = (environment: { readonly POSTAGE_URL?: string }, ...args: readonly string[]): Program =>
  new Program(BENCH, environment, args);

export const bench = (): void => {
  describe('the bench', () => {
    it('measures each peer at each work, prints tables, and leaves no queue behind', async () => {
      const vhost = await freshVhost();
      const file = join(tmpdir(), `bench-${process.pid}.json`);
      onTestFinished(() => rmSync(file, { force: true }));

      const short = ['--quick', '--rounds', '1', '--seconds', '0.1', '--json', file];
      const program = run({ POSTAGE_URL: vhost.url }, ...short, '--only', [...WORKS, ...PEERS].join(','));

      expect(await program.exit()).toEqual({ code: 0, signal: null });
      const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
      expect(report.environment.broker).toMatch(/^RabbitMQ \d/);
      expect(report.works.map(({ id }) => id)).toEqual(WORKS);
      for (const { contenders, ratios } of report.works) {
        expect(contenders.map(({ id }) => id)).toEqual(PEERS);
        for (const { samples } of contenders) expect(samples[0]?.rate).toBeGreaterThan(0);
        expect(ratios[0]).toMatchObject({ of: 'postage', to: 'bare' });
      }
      expect(program.stdout.with('rpc, 100 in flight, 100 B')).toHaveLength(1);
      expect(program.stdout.with('bare ').length).toBeGreaterThan(WORKS.length);
      expect(await vhost.queues()).toEqual([]);
    });

    it('ends on SIGTERM, with its processes and its queues', async () => {
      const vhost = await freshVhost();
      const program = run({ POSTAGE_URL: vhost.url }, '--only', 'rpc-1-100b,bare', '--seconds', '60');
      await eventually(async () => expect(await vhost.queues()).toHaveLength(1));

      expect(await program.stop()).toEqual({ code: 130, signal: null });
      expect(program.stderr.text).toContain('ended by SIGTERM');
      expect(await vhost.queues()).toEqual([]);
    });

    it('refuses what it does not know, before it looks for a broker', async () => {
      const unknown = run({}, '--fast');
      expect(await unknown.exit()).toEqual({ code: 2, signal: null });
      expect(unknown.stderr.lines[0]).toBe('unknown argument "--fast"');

      const nobody = run({}, '--only', 'kafka');
      expect(await nobody.exit()).toEqual({ code: 2, signal: null });
      expect(nobody.stderr.text).toContain('there is no work and no peer "kafka"');
    });
  });
};
