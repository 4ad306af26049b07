import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PostageModule } from 'nestjs-postage';
import { Asking } from './asking.js';
import { FleetTour } from './fleet.tour.js';
import { Jobs } from './jobs.js';
import { RollCall } from './roll-call.js';
import { Roster } from './roster.js';
import { Telling } from './telling.js';
import { WorkProducer } from './work.producer.js';

@Module({
  imports: [
    PostageModule.forFeature([WorkProducer]),
    // Without `application`: it talks to components, but is none itself.
    PostageModule.forRoot({ fingerprint: { name: 'fleet_controller', type: 'application' } }),
  ],
  providers: [Asking, FleetTour, Jobs, RollCall, Roster, Telling],
})
class ControllerModule {}

/** How many members it waits for. */
const size = Number(process.argv[2] ?? 3);

const app = await NestFactory.createApplicationContext(ControllerModule, { logger: ['error', 'warn'] });
await app.get(FleetTour).run(size);
await app.close();
