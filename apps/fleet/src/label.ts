import type { FingerprintDict } from 'nestjs-postage';

/** Tells members apart in what is printed. Their process ids would, too, but change with every run. */
export const labelOf = ({ name, host }: FingerprintDict): string => `${name}@${host}`;

export const inGroups = (groups: readonly string[] = []): string =>
  groups.length === 0 ? 'in no group' : `in group ${groups.toSorted().join(', ')}`;
