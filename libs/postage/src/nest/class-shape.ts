import { Controller } from '@nestjs/common';
import type { ScopeOptions } from '@nestjs/common';

const PATH_METADATA = 'path';
const SCOPE_METADATA = 'scope:options';

/** Makes a class a controller, unless it is one; a scope that `@Injectable` below has given it stays. */
export const makeController = (target: object): void => {
  if (Reflect.hasOwnMetadata(PATH_METADATA, target)) return;
  const scope = Reflect.getOwnMetadata(SCOPE_METADATA, target) as ScopeOptions | undefined;
  // Nest declares it for functions; a class is one.
  Controller({ ...scope })(target as () => void);
};

/** The method of a prototype; one that it inherits becomes its own, so that metadata on it is not shared. */
export const ownMethod = (prototype: object, name: string): PropertyDescriptor | undefined => {
  const own = Object.getOwnPropertyDescriptor(prototype, name);
  if (own) return typeof own.value === 'function' ? own : undefined;
  const inherited = (prototype as Record<string, unknown>)[name];
  if (typeof inherited !== 'function') return undefined;
  const value = copyOf(inherited as Method);
  const descriptor = { value, writable: true, configurable: true, enumerable: false };
  Object.defineProperty(prototype, name, descriptor);
  return descriptor;
};

type Method = (...args: unknown[]) => unknown;

/** Guards, pipes and the rest are metadata of the function: the copy has them too. */
const copyOf = (original: Method): Method => {
  const copy = function (this: unknown, ...args: unknown[]): unknown {
    return Reflect.apply(original, this, args);
  };
  Object.defineProperty(copy, 'name', { value: original.name });
  for (const key of Reflect.getMetadataKeys(original)) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, original), copy);
  }
  return copy;
};
