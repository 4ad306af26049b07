import { Inject } from '@nestjs/common';
import { healthToken, stateToken } from './tokens.js';

/** Injects the `PostageState` of a named `PostageModule.forRoot({ name })`; the unnamed one is injected by its class. */
export const InjectPostageState = (connection?: string): PropertyDecorator & ParameterDecorator =>
  Inject(stateToken(connection));

/** Injects the `PostageHealthIndicator` of a named `PostageModule.forRoot({ name })`; the unnamed one is injected by its class. */
export const InjectPostageHealth = (connection?: string): PropertyDecorator & ParameterDecorator =>
  Inject(healthToken(connection));
