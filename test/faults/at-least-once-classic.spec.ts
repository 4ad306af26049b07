import { describe } from 'vitest';
import { atLeastOnce } from './support/at-least-once.js';

describe('a durable classic queue', () => {
  atLeastOnce('classic', 'test/faults/at-least-once-classic.spec.ts');
});
