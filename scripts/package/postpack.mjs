// After packing: takes the documents back.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DOCUMENTS, PACKAGE } from './documents.mjs';

for (const name of DOCUMENTS) rmSync(join(PACKAGE, name), { force: true });
