import { describe } from 'vitest';
import { atLeastOnce } from './support/at-least-once.js';

describe('a durable quorum queue', () => {
  atLeastOnce('quorum', 'test/faults/at-least-once-quorum.spec.ts');
});
