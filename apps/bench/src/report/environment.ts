import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';

/** Where a run took place: what makes its numbers differ from another's. */
export interface Environment {
  readonly date: string;
  readonly node: string;
  readonly system: string;
  readonly processor: string;
  readonly memory: string;
  readonly broker: string;
  readonly revision: string;
}

const git = (...args: readonly string[]): string =>
  execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();

const revision = (): string => {
  try {
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' with changes' : ''}`;
  } catch {
    return 'unknown';
  }
};

export const environmentOf = (broker: string): Environment => {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    node: process.version,
    system: `${process.platform} ${process.arch}`,
    processor: `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    broker,
    revision: revision(),
  };
};
