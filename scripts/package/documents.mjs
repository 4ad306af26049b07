import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const PACKAGE = join(ROOT, 'libs/postage');

/** What the package has to say of itself. It stands at the root of the repository, and `npm pack` takes no file from there. */
export const DOCUMENTS = ['CHANGELOG.md', 'LICENSE', 'README.md'];
