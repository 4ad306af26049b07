/**
 * Gives a class methods as if they were written in it, one for each index, and decorates each: what a class with a
 * thousand handlers is.
 */
export const addMethods = (
  target: { readonly prototype: object },
  count: number,
  {
    method,
    decorate,
  }: {
    readonly method: (...args: never[]) => unknown;
    readonly decorate: (place: {
      prototype: object;
      key: string;
      index: number;
      descriptor: PropertyDescriptor;
    }) => void;
  },
): void => {
  for (let index = 0; index < count; index += 1) {
    const key = `method${index}`;
    // Metadata belongs to the function: each method is one of its own.
    const value = (...args: never[]): unknown => method(...args);
    const descriptor: PropertyDescriptor = { value, writable: true, configurable: true, enumerable: false };
    Object.defineProperty(target.prototype, key, descriptor);
    decorate({ prototype: target.prototype, key, index, descriptor });
  }
};
