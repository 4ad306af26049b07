import { Deadlines } from '../connection/deadlines.js';
import type { Delivery } from '../connection/port.js';
import { PendingCall } from './pending-call.js';
import type { ReplyAddress } from './reply-address.js';
import { requestTo } from './rpc-request.spec.fixture.js';

export const request = requestTo({ exchange: 'work', routingKey: 'k' });

export const reply = (correlationId: string | undefined, text = '!'): Delivery => ({
  deliveryTag: 1,
  redelivered: false,
  exchange: '',
  routingKey: 'address',
  content: Buffer.from(text),
  properties: correlationId === undefined ? {} : { correlationId },
});

export const addressNamed = (name: string) => {
  const address = {
    name,
    listener: undefined as ReplyAddress['listener'],
    reply: (delivery: Delivery) => address.listener?.onReply(address, delivery),
    lose: (error: Error) => address.listener?.onLost(error),
    /** A reply without an id, at an address that calls share. */
    replyToSomebody: (isAlone: boolean) => address.listener?.onAmbiguous?.(isAlone),
    released: 0,
    release: (): void => {
      address.released += 1;
    },
  };
  return address;
};

/** A call that listens at an address, and what its listeners are told. */
export const startCall = ({ signal }: { signal?: AbortSignal } = {}) => {
  const told: string[] = [];
  const deadlines = new Deadlines();
  const call = new PendingCall(signal === undefined ? request : { ...request, signal }, {
    deadlines,
    onStranger: ({ name }, { content }) => told.push(`stranger at ${name}: ${content.toString()}`),
    onAmbiguous: ({ command }) => told.push(`ambiguous for ${command}`),
  });
  const address = addressNamed('first');
  call.listenAt(address);
  return { call, address, told, deadlines };
};
