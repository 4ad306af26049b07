import { readFileSync } from 'node:fs';
import type { GenericConsumer } from '../consumer/generic-consumer.js';
import type { FingerprintDict } from '../wire/fingerprint.js';

import { isMarker } from './command-feed.js';

/** What a component answers to `describe`. */
export interface ApplicationDescription {
  readonly fingerprint: FingerprintDict;
  readonly groups: readonly string[];
  /** What it handles, commands of every component included; without a name: every name of the type. */
  readonly handles: readonly {
    readonly category: string;
    readonly type: string;
    readonly name: string | null;
  }[];
  /** `application` is what the program says of itself, null when it does not. */
  readonly versions: {
    readonly application: string | null;
    readonly library: string;
    readonly runtime: string;
  };
  /** When the process began, as text in ISO 8601. */
  readonly startedAt: string;
  /** Since then, in whole seconds. */
  readonly uptimeSeconds: number;
  /** Messages whose handlers run at this moment. */
  readonly inFlight: number;
}

export interface DescribedApplication {
  readonly fingerprint: FingerprintDict;
  readonly groups: readonly string[];
  readonly version: string | undefined;
  readonly consumer: GenericConsumer;
}

export const describeApplication = (application: DescribedApplication): ApplicationDescription => {
  const { fingerprint, groups, version = null, consumer } = application;
  const uptimeMs = performance.now();
  return {
    fingerprint,
    groups,
    handles: consumer.patterns
      .filter((pattern) => !isMarker(pattern))
      .map(({ category, type, name = null }) => ({ category, type, name })),
    versions: { application: version, library: libraryVersion(), runtime: `node ${process.version}` },
    startedAt: new Date(Date.now() - uptimeMs).toISOString(),
    uptimeSeconds: Math.floor(uptimeMs / 1_000),
    inFlight: consumer.snapshot.reduce((sum, { inFlight }) => sum + inFlight, 0),
  };
};

let known: string | undefined;

const libraryVersion = (): string => {
  if (known === undefined) {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    // It is our own file, and npm refuses to publish one without a version.
    known = (JSON.parse(text) as { readonly version: string }).version;
  }
  return known;
};
