import { describe, expect, it } from 'vitest';
import { commandName, parseMethodName } from './method-name.js';

describe('parseMethodName', () => {
  it('knows message and rpc methods', () => {
    expect(parseMethodName('messageEcho')).toEqual({ kind: 'message', suffix: 'Echo' });
    expect(parseMethodName('rpcJoinGroup')).toEqual({ kind: 'rpc', suffix: 'JoinGroup' });
  });

  it.for(['message', 'rpc', 'messages', 'rpcs', 'then', 'toString', 'onModuleInit', 'buildMessageEcho'])(
    'leaves %s alone',
    (name) => {
      expect(parseMethodName(name)).toBeUndefined();
    },
  );
});

describe('commandName', () => {
  it.for([
    ['Echo', 'echo'],
    ['JoinGroup', 'join_group'],
    ['HTTPStart', 'http_start'],
    ['ReloadHTTP', 'reload_http'],
    ['Step2Done', 'step2_done'],
    ['Already_snake', 'already_snake'],
  ] as const)('turns %s into %s', ([suffix, name]) => {
    expect(commandName(suffix)).toBe(name);
  });
});
