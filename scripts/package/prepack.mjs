// Before packing: builds from nothing, so that no file of a source that is gone stays, and lends the package its documents.
import { execFileSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DOCUMENTS, PACKAGE, ROOT } from './documents.mjs';

rmSync(join(PACKAGE, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', PACKAGE], {
  stdio: 'inherit',
});
for (const name of DOCUMENTS) copyFileSync(join(ROOT, name), join(PACKAGE, name));
