// What TypeScript needs to know of private-node.mjs, for the tests.

export interface PrivateNodeOptions {
  /** Plugins to enable beside rabbitmq_management. */
  readonly plugins?: readonly string[];
  /** Lines of rabbitmq.conf, added to ours. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /** `ssl_options` of a listener for TLS, which it then has beside the plain one. */
  readonly tls?: Readonly<Record<string, string | boolean>>;
  /** A node to share the cookie and the port mapper of, so that the two can form a cluster; stop that one last. */
  readonly beside?: PrivateNode;
  /** How long a start may take, in milliseconds. @default 90_000 */
  readonly readyTimeoutMs?: number;
}

export interface PrivateNode {
  readonly url: string;
  readonly managementUrl: string;
  readonly identity: { readonly name: string; readonly tlsPort: number | undefined };
  /** The process of the present run, or of the last one. */
  readonly pid: number;
  /** Runs rabbitmqctl for this node (1 to 3 s) and resolves with its stdout. */
  ctl(...args: readonly string[]): Promise<string>;
  /** Crashes the node: SIGKILL, nothing is flushed. Its data stay. */
  kill(): Promise<void>;
  /** Starts the node again on the same data and ports, ending it in order first if it still runs. */
  restart(): Promise<void>;
  /** Ends the node and removes everything it left. */
  stop(): Promise<void>;
}

export declare const startPrivateNode: (options?: PrivateNodeOptions) => Promise<PrivateNode>;
