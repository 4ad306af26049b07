/** True for the same type, and not only for one that is assignable: `any` equals nothing but `any`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/**
 * States that an expression has exactly a type; the compiler checks it, at run time nothing happens:
 * `expectType<Promise<void>>()(producer.messageEcho('hi'))`.
 */
export const expectType =
  <Expected>() =>
  <const Actual>(
    _actual: Actual,
    ..._same: Same<Actual, Expected> extends true ? [] : ['is of type', Actual]
  ): void =>
    undefined;
