import type { Options } from 'amqplib';
import type { WorkParameters } from '../side/peer.js';

/** How a peer's consumers expect a message: what the bench puts into a queue itself, for all peers in the same way. */
export type Format = 'plain' | 'postage' | 'nest';

export interface Packet {
  readonly content: Buffer;
  readonly properties: Options.Publish;
}

const FINGERPRINT = {
  name: 'bench',
  type: 'application',
  pid: '1',
  host: 'localhost',
  user: 'bench',
  vhost: '/',
};

const bodyOf = (format: Format, name: string, parameters: WorkParameters): unknown => {
  switch (format) {
    case 'plain':
      return parameters;
    case 'nest':
      return { pattern: name, data: parameters };
    case 'postage':
      return {
        type: 'command',
        name,
        category: 'message',
        version: '2',
        fingerprint: FINGERPRINT,
        content: { parameters },
        _reserved: {},
      };
  }
};

export const packetOf = (format: Format, name: string, parameters: WorkParameters): Packet => ({
  content: Buffer.from(JSON.stringify(bodyOf(format, name, parameters))),
  properties: { contentType: 'application/json', type: name },
});
