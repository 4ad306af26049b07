import type { Provider } from '@nestjs/common';
import { ApplicationMember } from '../application/application-member.js';
import { ApplicationProducer } from '../application/application-producer.js';
import { FleetDirectory } from '../application/fleet-directory.js';
import { ApplicationLifecycle } from '../application/lifecycle.js';
import { InvalidOptionError } from '../errors.js';
import type { Messaging } from './messaging.js';
import { messagingToken, serviceToken } from './tokens.js';

/** Nest makes every service, needed or not: a program that can not be addressed has one that says so when it is used. */
const NO_MEMBER = new Proxy(Object.create(null) as ApplicationMember, {
  get: (_target, property): undefined => {
    if (property === 'constructor' || !Object.hasOwn(ApplicationMember.prototype, property)) return undefined;
    throw new InvalidOptionError(
      'application',
      'is not given, so this program can not be addressed. Write PostageModule.forRoot({ application: {} }).',
    );
  },
});

/** What has to do with other components, and with being one. */
export const applicationProviders = (name: string | undefined): Provider[] => {
  const inject = [messagingToken(name)];
  return [
    {
      provide: serviceToken(ApplicationProducer, name),
      useFactory: ({ application }: Messaging): ApplicationProducer => application.applications,
      inject,
    },
    {
      provide: serviceToken(ApplicationLifecycle, name),
      useFactory: ({ application }: Messaging): ApplicationLifecycle => application.lifecycle,
      inject,
    },
    {
      provide: serviceToken(FleetDirectory, name),
      useFactory: ({ application }: Messaging): FleetDirectory => application.directory,
      inject,
    },
    {
      provide: serviceToken(ApplicationMember, name),
      useFactory: ({ application }: Messaging): ApplicationMember => application.member ?? NO_MEMBER,
      inject,
    },
  ];
};
