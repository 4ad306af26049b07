/** How amqplib lets a caller choose the AMQP type of a value: `{ '!': 'timestamp', value: 1700000000 }`. */
interface Typed {
  readonly '!': string;
  readonly value: unknown;
}

/** Types that come back from a broker as they were marked; all others come back as their bare value. */
const MARKED = new Set(['timestamp', 'decimal']);

const isTyped = (value: object): value is Typed => Object.hasOwn(value, '!');

/**
 * A header table as it comes out at the other end: a copy, without what is undefined, with numbers, strings, booleans,
 * null, buffers, arrays and tables as they were.
 * @throws {TypeError} a value that AMQP has no type for
 */
export const copyTable = (table: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const copy: Record<string, unknown> = {};
  for (const key in table) {
    const value = table[key];
    // What would set the prototype is no key that a reader ever sees.
    if (value !== undefined && key !== '__proto__')
      copy[key] = typeof value === 'string' ? value : copyValue(value);
  }
  return copy;
};

const copyValue = (value: unknown): unknown => {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return copyNumber(value);
    case 'object':
      return value === null ? null : copyObject(value);
    default:
      throw new TypeError(`Unknown type to encode: ${typeof value}`);
  }
};

const copyNumber = (value: number): number => {
  // Neither NaN nor -Infinity fits the integer type that amqplib picks for them.
  if (Number.isNaN(value) || value === -Infinity) {
    throw new RangeError(`The number ${value} cannot be converted to a BigInt because it is not an integer`);
  }
  return value === 0 ? 0 : value;
};

const copyObject = (value: object): unknown => {
  if (Array.isArray(value)) return value.map(copyValue);
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (!isTyped(value)) return copyTable({ ...value });
  const { '!': type, value: inner } = value;
  if (!MARKED.has(type)) return copyValue(inner);
  const bare = typeof inner === 'object' && inner !== null ? { ...inner } : inner;
  return { '!': type, value: bare };
};

/** Equality of values of AMQP tables, which are trees of plain data. */
export const sameValue = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Buffer.isBuffer(a) || Buffer.isBuffer(b))
    return Buffer.isBuffer(a) && Buffer.isBuffer(b) && a.equals(b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return (
    left.length === right.size &&
    left.every(([key, value]) => right.has(key) && sameValue(value, right.get(key)))
  );
};
