import { nestPeer } from './nest.js';

export const peer = nestPeer({ manualAck: true });
