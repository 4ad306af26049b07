/** `messageJoinGroup` or `rpcSum`, taken apart. */
export interface MethodName {
  readonly kind: 'message' | 'rpc';
  /** `JoinGroup`: what follows `buildMessage` or `buildRpc` in the name of a builder. */
  readonly suffix: string;
}

export const parseMethodName = (name: string): MethodName | undefined => {
  const match = /^(message|rpc)([A-Z]\w*)$/.exec(name);
  const [, kind, suffix] = match ?? [];
  return suffix === undefined || (kind !== 'message' && kind !== 'rpc') ? undefined : { kind, suffix };
};

/** `JoinGroup` -> `join_group`, `HTTPStart` -> `http_start`: the name of an undeclared command on the wire. */
export const commandName = (suffix: string): string =>
  suffix
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase();
