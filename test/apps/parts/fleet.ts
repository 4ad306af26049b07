import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Program, rootFolder, runToEnd } from '../support/program.js';
import { freshVhost } from '../support/vhost.js';

const FINISHED = { code: 0, signal: null };
const MEMBERS = [
  ['worker', 'berlin', 'gpu'],
  ['worker', 'tokyo', ''],
  ['monitor', 'berlin', ''],
] as const;

export const fleet = (): void => {
  describe('fleet', () => {
    it('shows what its README shows, and ends', async () => {
      const vhost = await freshVhost();
      const members = MEMBERS.map((member) => startMember(vhost.url, member));

      const { program, exit } = await runToEnd('fleet/dist/controller.js', { POSTAGE_URL: vhost.url });

      expect(program.stderr.lines).toEqual([]);
      expect(program.stdout.lines).toEqual(shownAfter('node apps/fleet/dist/controller.js'));
      expect(exit).toEqual(FINISHED);
      expect(await Promise.all(members.map((member) => member.exit()))).toEqual(members.map(() => FINISHED));
      for (const { stdout, stderr } of members) {
        expect(stderr.lines).toEqual([]);
        expect(stdout.lines.at(-1)).toBe('ended: quit');
      }
      const [, tokyo] = members;
      expect(storyOf(tokyo?.stdout.lines ?? [])).toEqual(storyOf(shownAfter('cat /tmp/worker-tokyo.log')));
      expect(await vhost.queues()).toEqual([]);
    });

    it('has members that end on SIGTERM as well', async () => {
      const { url } = await freshVhost();
      const member = startMember(url, MEMBERS[0]);
      await member.stdout.until('Nest microservice successfully started');

      expect(await member.stop()).toEqual(FINISHED);
      expect(member.stderr.lines).toEqual([]);
    });
  });
};

const startMember = (url: string, [name, host, groups]: readonly [string, string, string]): Program => {
  const environment = { FLEET_NAME: name, FLEET_HOST: host, FLEET_GROUPS: groups };
  const member = new Program('fleet/dist/member.js', { POSTAGE_URL: url, ...environment });
  // Before it is killed: where a restarted member runs in a process of its own, that one hears of it.
  onTestFinished(async () => {
    await member.stop();
  });
  return member;
};

/** What the README shows below a command, up to the next one. */
const shownAfter = (command: string): string[] => {
  const readme = readFileSync(join(rootFolder, 'apps/fleet/README.md'), 'utf8');
  const [, after = ''] = readme.split(`\n$ ${command}\n`);
  const [shown = ''] = after.split(/\n(?:\$ |```)/, 1);
  return shown.split('\n');
};

const STEPS = [
  /Nest microservice successfully started/,
  /does job/,
  /joined group "gpu"/,
  /left group "gpu"/,
  /(?:restart|quit): asked by \{ name: 'fleet_controller'/,
  /^ended: quit$/,
];

/** What a member has done, without what changes: times, process ids, whose turn it was with which job. */
const storyOf = (lines: readonly string[]): string[] =>
  lines.flatMap((line) => STEPS.flatMap((step) => step.exec(line) ?? []));
