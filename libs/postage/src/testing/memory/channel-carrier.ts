import type { BrokerError } from '../../errors.js';
import type { ErrorReport } from './listeners.js';
import type { MemoryChannel } from './memory-channel.js';
import type { Network } from './network.js';
import type { Vhost } from './vhost.js';

/** The link of a channel, as the channel needs it. */
export interface ChannelCarrier {
  readonly network: Network;
  readonly vhost: Vhost;
  readonly report: ErrorReport;
  /** To the broker, in order; held back while the broker blocks this link. */
  write(arrival: () => void): void;
  /** The broker blocks a link when it publishes while resources are short. */
  beforePublish(): void;
  /** The broker refused something on this channel: ends it, or the whole link. */
  refused(channel: MemoryChannel, error: BrokerError): void;
}
