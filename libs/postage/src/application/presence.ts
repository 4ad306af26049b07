import { randomUUID } from 'node:crypto';
import { CALL_HEADERS } from '../connection/call-headers.js';
import type { PostageConnection } from '../connection/connection.js';
import { settleWithin } from '../connection/settle-within.js';
import { exchangeTopology } from '../topology/binding.js';
import type { Exchange } from '../topology/types.js';
import type { Codec } from '../wire/codec.js';
import type { FingerprintDict } from '../wire/fingerprint.js';
import { MessageStatus } from '../wire/message.js';

export interface PresenceSettings {
  readonly exchange: Exchange;
  readonly intervalMs: number;
  readonly connection: PostageConnection;
  readonly codec: Codec;
  readonly fingerprint: FingerprintDict;
  readonly groups: () => readonly string[];
}

/** The last word is not worth more than this. */
const OFFLINE_LIMIT_MS = 1_000;

/** Tells whoever listens that this process has come, is there, and goes: plain status messages. */
export class Presence {
  readonly #settings: PresenceSettings;
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: PresenceSettings) {
    this.#settings = settings;
  }

  /** From now on it tells. */
  start(): void {
    const { intervalMs } = this.#settings;
    this.#timer ??= setInterval(() => void this.#tell('heartbeat'), intervalMs).unref();
    void this.#tell('online');
  }

  /** Something about it has changed. */
  update(): void {
    if (this.#timer) void this.#tell('heartbeat');
  }

  async stop(): Promise<void> {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    await settleWithin(this.#tell('offline'), OFFLINE_LIMIT_MS);
  }

  /** One that can not be sent is not missed: the next one says the same, and the loss of the connection is told anyway. */
  async #tell(status: string): Promise<void> {
    try {
      await this.#publish(status);
    } catch {
      // Said above.
    }
  }

  async #publish(status: string): Promise<void> {
    const { exchange, intervalMs, connection, codec, fingerprint, groups } = this.#settings;
    const { body } = new MessageStatus(status);
    await connection.publish({
      message: {
        exchange: exchange.name,
        routingKey: '',
        content: codec.encode({ ...body, fingerprint }),
        properties: {
          contentType: codec.contentType,
          deliveryMode: 1,
          messageId: randomUUID(),
          timestamp: Math.floor(Date.now() / 1_000),
          appId: fingerprint.name ?? undefined,
          headers: { [CALL_HEADERS.groups]: groups(), [CALL_HEADERS.intervalMs]: intervalMs },
        },
        mandatory: false,
      },
      topology: exchangeTopology(exchange),
      deadlineMs: intervalMs,
    });
  }
}
