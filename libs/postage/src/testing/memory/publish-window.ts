// As many publishes as fit "on the wire" before the client is asked to wait.
const SIZE = 1024;

/** What a channel has written and the broker has not read: full as a socket's buffer may be. */
export class PublishWindow {
  #unread = 0;
  #full = false;

  get full(): boolean {
    return this.#full;
  }

  written(): void {
    this.#unread += 1;
    this.#full ||= this.#unread >= SIZE;
  }

  /** Whether that emptied a window that had been full. */
  read(): boolean {
    this.#unread -= 1;
    if (!this.#full || this.#unread > 0) return false;
    this.#full = false;
    return true;
  }
}
