import { Observable, Subscriber, type Observer, type Operator, type Subscription } from 'rxjs';

type Report = (error: unknown) => void;
type Next<T> = (value: T) => void;

/**
 * An observable whose subscribers can not end the process: what they throw, or what comes out of their operators without an
 * error handler, is reported. RxJS would throw it where nobody can catch it.
 */
export class GuardedObservable<T> extends Observable<T> {
  readonly #report: Report;

  constructor(report: Report, subscribe?: (subscriber: Subscriber<T>) => Subscription | void) {
    super(subscribe);
    this.#report = report;
  }

  override subscribe(
    observerOrNext?: Partial<Observer<T>> | Next<T> | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    // An operator: what it passes on comes to a subscriber of ours.
    if (observerOrNext instanceof Subscriber) return super.subscribe(observerOrNext);
    const isObserver = typeof observerOrNext === 'object' && observerOrNext !== null;
    return super.subscribe(
      this.#guarded(isObserver ? observerOrNext : { next: observerOrNext, error, complete }),
    );
  }

  /** What operators are applied to it is guarded, too. */
  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const lifted = new GuardedObservable<R>(this.#report);
    lifted.source = this;
    lifted.operator = operator;
    return lifted;
  }

  /** Its methods may be those of a class, and need it. */
  #guarded(observer: Loose<T>): Observer<T> {
    const report = this.#report;
    return {
      next: (value) => attempt(() => observer.next?.(value), report),
      error: (reason) => (observer.error ? attempt(() => observer.error?.(reason), report) : report(reason)),
      complete: () => attempt(() => observer.complete?.(), report),
    };
  }
}

/** As subscribers give it. */
interface Loose<T> {
  readonly next?: Next<T> | null | undefined;
  readonly error?: Next<unknown> | null | undefined;
  readonly complete?: (() => void) | null | undefined;
}

/** It may be asynchronous, whatever its type says. */
const attempt = (call: () => unknown, report: Report): void => {
  try {
    const result = call();
    if (result instanceof Promise) result.catch(report);
  } catch (error) {
    report(error);
  }
};
