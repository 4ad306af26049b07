import type { ConnectionState } from './state.js';

type Listener = (state: ConnectionState) => void;

/** The state of a connection, and those who want to hear of every change. */
export class StateCell {
  readonly #listeners = new Set<Listener>();
  readonly #onListenerError: (error: unknown) => void;
  #value: ConnectionState = { kind: 'idle' };

  constructor(onListenerError: (error: unknown) => void) {
    this.#onListenerError = onListenerError;
  }

  get value(): ConnectionState {
    return this.#value;
  }

  set(state: ConnectionState): void {
    this.#value = state;
    for (const listener of this.#listeners) {
      try {
        listener(state);
      } catch (error) {
        this.#onListenerError(error);
      }
    }
  }

  /** Returns the way to stop listening. */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Nothing changes any more. */
  end(): void {
    this.#listeners.clear();
  }
}
