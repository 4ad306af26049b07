import { vi } from 'vitest';
import { ChildProgram, LIMIT_MS } from '../support/child-program.js';
import { useCompiled } from '../support/compiled.js';
import type { MemberConfig } from '../support/fleet-member.js';

export { LIMIT_MS, type Exit, type Said } from '../support/child-program.js';
export { ROOT } from '../support/compiled.js';

const MEMBER = 'test/support/fleet-member.ts';

/** For every file of tests that starts members. */
export const useMembers = (): void => {
  vi.setConfig({ testTimeout: 3 * LIMIT_MS, hookTimeout: 3 * LIMIT_MS });
  useCompiled(MEMBER);
};

/** A component in a process of its own; its id is its address, `pid@host`. */
export class Member extends ChildProgram {
  readonly config: MemberConfig;

  constructor(config: MemberConfig, url: string) {
    super(MEMBER, {
      id: `${config.pid}@${config.host}`,
      args: [JSON.stringify(config)],
      env: { FLEET_URL: url },
      nodeArgs: ['--stack-trace-limit=20'],
    });
    this.config = config;
  }

  /** The order of events, as `holding 3` or `group.joined eu`. */
  get story(): string[] {
    return this.said().map(({ event, id, group }) => [event, id, group].filter(Boolean).join(' '));
  }

  /** What it has worked on. */
  get work(): string[] {
    return this.said('work').map(({ id }) => String(id));
  }

  /** Resolves once its handlers of these ids run. */
  async holding(...ids: readonly string[]): Promise<void> {
    const isHolding = (id: string): boolean => this.story.includes(`holding ${id}`);
    await this.until(() => ids.every(isHolding), `holding ${ids.join(', ')}`);
  }

  /** Lets its handlers end that are held. */
  release(): void {
    this.signalGroup('SIGUSR2');
  }
}
