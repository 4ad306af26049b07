import type {
  ChannelPort,
  ConsumeOptions,
  Delivery,
  OutgoingMessage,
  PublishFailure,
} from '../../libs/postage/src/connection/port.js';
import { Inbox } from '../support/eventually.js';

/** A consumer and what it got. */
export interface Consuming {
  readonly tag: string;
  readonly inbox: Inbox<Delivery>;
  /** Resolves when the broker cancels it. */
  readonly cancelled: Promise<void>;
}

export interface Posting extends Partial<Omit<OutgoingMessage, 'content'>> {
  readonly content?: string | Buffer;
}

export const outgoing = ({ content = 'text', ...rest }: Posting): OutgoingMessage => ({
  exchange: '',
  routingKey: '',
  properties: {},
  mandatory: false,
  ...rest,
  content: Buffer.from(content),
});

/** Publishes and resolves with what the confirm says. */
export const publish = (channel: ChannelPort, posting: Posting): Promise<PublishFailure | undefined> =>
  new Promise((resolve) => {
    channel.publish(outgoing(posting), resolve);
  });

/** Consumes into an inbox. */
export const consume = async (
  channel: ChannelPort,
  queue: string,
  options?: ConsumeOptions,
): Promise<Consuming> => {
  const inbox = new Inbox<Delivery>();
  let onCancelled = (): void => undefined;
  const cancelled = new Promise<void>((resolve) => {
    onCancelled = resolve;
  });
  const onDelivery = (delivery: Delivery | null): void => {
    if (delivery === null) onCancelled();
    else inbox.push(delivery);
  };
  const tag = await channel.consume(queue, onDelivery, options);
  return { tag, inbox, cancelled };
};

export const textOf = ({ content }: Delivery): string => content.toString();

export const textsOf = (deliveries: readonly Delivery[]): string[] => deliveries.map(textOf);

/** Resolves with the error that the channel or link ends with. */
export const endOf = (ending: Pick<ChannelPort, 'onClosed'>): Promise<Error | undefined> =>
  new Promise((resolve) => {
    ending.onClosed(resolve);
  });
