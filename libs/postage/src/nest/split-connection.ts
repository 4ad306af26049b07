import { InvalidOptionError } from '../errors.js';
import { CONNECTION_OPTIONS } from '../connection/options.js';
import type { PostageOptions, PostageServerOptions } from './postage.options.js';

/** Gathers connection fields that stand beside the other options. @throws {InvalidOptionError} they stand in both places */
export const splitConnection = (options: PostageServerOptions): PostageOptions => {
  const beside: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    const isConnection = (CONNECTION_OPTIONS as readonly string[]).includes(key);
    if (value !== undefined) (isConnection ? beside : rest)[key] = value;
  }
  const [first] = Object.keys(beside);
  if (first === undefined) return rest;
  if (rest['connection'] !== undefined) {
    throw new InvalidOptionError(first, 'can not stand beside "connection": move it into that object.');
  }
  return { ...rest, connection: beside };
};
