import type { ConnectionOptions as TlsOptions } from 'node:tls';

/** Everything about one broker address. The password is private, so that no log, error or `inspect` can show it. */
export class Endpoint {
  readonly protocol: 'amqp' | 'amqps';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly vhost: string;
  readonly #password: string;

  constructor(parts: EndpointParts) {
    this.protocol = parts.protocol;
    this.host = parts.host;
    this.port = parts.port;
    this.user = parts.user;
    this.vhost = parts.vhost;
    this.#password = parts.password;
  }

  /** For logs and errors: no credentials. */
  get address(): string {
    const host = this.host.includes(':') ? `[${this.host}]` : this.host;
    return `${this.protocol}://${host}:${this.port}/${encodeURIComponent(this.vhost)}`;
  }

  password(): string {
    return this.#password;
  }
}

export interface EndpointParts {
  readonly protocol: 'amqp' | 'amqps';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly vhost: string;
}

/** What is needed to open a connection, with nothing left to default. */
export interface ResolvedConnection {
  readonly endpoints: readonly [Endpoint, ...Endpoint[]];
  readonly tls: TlsOptions;
  readonly heartbeatSeconds: number;
  readonly connectTimeoutMs: number;
}
