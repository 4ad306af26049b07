import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';

const SAMPLING_BYTES = 8_192;

/**
 * Takes down which functions allocate, what has been collected since included: that is what garbage collection costs.
 * Chrome's developer tools open what is written.
 */
export class Allocations {
  readonly #session = new Session();

  async begin(): Promise<void> {
    this.#session.connect();
    await this.#session.post('HeapProfiler.startSampling', {
      samplingInterval: SAMPLING_BYTES,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
  }

  async write(folder: string, name: string): Promise<void> {
    const { profile } = await this.#session.post('HeapProfiler.stopSampling');
    writeFileSync(join(folder, `${name}.heapprofile`), JSON.stringify(profile));
  }
}
