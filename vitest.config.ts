import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string): string =>
  fileURLToPath(new URL(`./libs/postage/src/${path}`, import.meta.url));

// Tests run on the source: no build in between. The longer name must come first.
const resolve = {
  alias: [
    { find: 'nestjs-postage/testing', replacement: source('testing/index.ts') },
    { find: 'nestjs-postage', replacement: source('index.ts') },
  ],
};

export default defineConfig({
  test: {
    // Most tests wait for the broker or for processes of their own: one more than the cores of a small machine.
    maxWorkers: 3,
    projects: [
      {
        resolve,
        test: {
          name: 'unit',
          // The machine may be small, and busy with the other project.
          testTimeout: 20_000,
          include: [
            'libs/*/src/**/*.spec.ts',
            'apps/bench/src/**/*.spec.ts',
            'test/architecture/**/*.spec.ts',
            'test/contract/memory*.spec.ts',
          ],
        },
      },
      {
        resolve,
        test: {
          name: 'integration',
          include: ['test/**/*.spec.ts'],
          exclude: ['test/architecture/**', 'test/contract/memory*.spec.ts', 'test/faults/**'],
          pool: 'forks',
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        resolve,
        test: {
          // Brokers that are killed, lines that are cut, processes that crash.
          name: 'faults',
          include: ['test/faults/**/*.spec.ts'],
          pool: 'forks',
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
