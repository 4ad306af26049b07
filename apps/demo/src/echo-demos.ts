import type { Type } from '@nestjs/common';
import type { FingerprintOptions, GenericProducer } from 'nestjs-postage';
// The projects that tsconfig.json refers to, as compiled.
import * as advancedEcho from '../../advanced-echo/dist/index.js';
import * as basicEcho from '../../basic-echo/dist/index.js';
import * as rpcEcho from '../../rpc-echo/dist/index.js';

/** The parts of a sending and a receiving program. */
export interface EchoPrograms {
  readonly EchoProducer: Type<GenericProducer>;
  readonly EchoSender: Type<{ run(): Promise<void> }>;
  readonly EchoReceiveProcessor: Type;
}

export interface EchoDemo {
  readonly title: string;
  readonly programs: EchoPrograms;
  readonly sender: FingerprintOptions;
  readonly receiver: FingerprintOptions;
  /** What the programs must have printed in the end, in any order: the beginning of each line. */
  readonly prints: readonly string[];
}

const sender: FingerprintOptions = { name: 'echo_send', type: 'application' };
const receiver: FingerprintOptions = { name: 'echo_receive', type: 'controller' };

/** The echo servers of Postage's quick start, in its order and with its texts. */
export const ECHO_DEMOS: readonly EchoDemo[] = [
  {
    title: 'Basic echo: a command with parameters',
    programs: basicEcho,
    sender,
    receiver,
    prints: ['A test message'],
  },
  {
    title: 'Advanced echo: a shared queue and a private one, and two handlers for each message',
    programs: advancedEcho,
    sender,
    receiver,
    prints: [
      'A single test message',
      'Message fingerprint:',
      'A fanout test message',
      'Message fingerprint:',
    ],
  },
  {
    title: 'RPC echo: a request and its reply',
    programs: rpcEcho,
    sender,
    receiver,
    prints: ['RPC test message', 'RPC message received'],
  },
];
