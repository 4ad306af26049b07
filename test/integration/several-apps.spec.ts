import { Module, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  GenericConsumer,
  GenericProducer,
  InjectConsumer,
  InjectProducer,
  MessageHandler,
  Parameters,
  PostageConnection,
  PostageModule,
  Processor,
  Producer,
  RpcHandler,
  defineExchange,
  type MessageMethod,
  type ProducerOf,
  type RpcMethod,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { byName, command, rpc, success, useWorld, sorted } from './world.js';

/** Two virtual hosts: whatever has the same name in both must not meet. */
const world = useWorld();

const billing = useWorld();

const Exchange = defineExchange({ name: 'orders' });

const eqk = [[Exchange, [['orders', 'rk']]]] as const;

@Producer({ eks: [[Exchange, 'rk']] })
class Orders extends GenericProducer {
  declare messagePlace: MessageMethod<string>;
  declare rpcWhere: RpcMethod<void, string>;
}

describe('two transports in one application', () => {
  const placed = { main: new Inbox<string>(), billing: new Inbox<string>() };

  @Processor({ eqk })
  class MainProcessor {
    @MessageHandler('command', 'place')
    place(@Parameters() order: string): void {
      placed.main.push(order);
    }

    @RpcHandler('command', 'where')
    where(): string {
      return 'main';
    }
  }

  @Processor({ eqk, connection: 'billing' })
  class BillingProcessor {
    @MessageHandler('command', 'place')
    place(@Parameters() order: string): void {
      placed.billing.push(order);
    }

    @RpcHandler('command', 'where')
    where(): string {
      return 'billing';
    }
  }

  const start = async (): Promise<INestApplication> => {
    @Module({
      imports: [
        PostageModule.forFeature([Orders]),
        PostageModule.forFeature([Orders], { connection: 'billing' }),
        PostageModule.forRoot({ connection: { url: world.url } }),
        PostageModule.forRoot({ name: 'billing', connection: { url: billing.url } }),
      ],
      controllers: [MainProcessor, BillingProcessor],
    })
    class App {
      constructor(
        @InjectProducer(Orders) readonly orders: ProducerOf<Orders>,
        @InjectProducer(Orders, 'billing') readonly billingOrders: ProducerOf<Orders>,
        readonly consumer: GenericConsumer,
        @InjectConsumer('billing') readonly billingConsumer: GenericConsumer,
      ) {}
    }
    const app = await NestFactory.create(App, { logger: false, abortOnError: false });
    world.atEnd(() => app.close());
    app.connectMicroservice(PostageModule.microservice());
    app.connectMicroservice(PostageModule.microservice('billing'));
    await app.startAllMicroservices();
    await app.init();
    return app;
  };

  /** What the module was injected. */
  const injected = (app: INestApplication) => {
    const orders = app.get<ProducerOf<Orders>>(Orders);
    const billingOrders = app.get<ProducerOf<Orders>>('postage producer (billing) Orders');
    return { orders, billingOrders };
  };

  it('do not hear each other, even where every name is the same', async () => {
    const { orders, billingOrders } = injected(await start());

    await orders.messagePlace('one');
    await billingOrders.messagePlace('two');
    world.send('orders', command('place', 'three'));
    billing.send('orders', command('place', 'four'));

    expect(await placed.main.take(2)).toEqual(['one', 'three']);
    expect(await placed.billing.take(2)).toEqual(['two', 'four']);
    expect((await orders.rpcWhere()).unwrap()).toBe('main');
    expect((await billingOrders.rpcWhere()).unwrap()).toBe('billing');
    expect([placed.main.items.length, placed.billing.items.length]).toEqual([2, 2]);
  });

  it('have a connection, a consumer and a queue each', async () => {
    const app = await start();

    const [consumer, ofBilling] = [
      app.get(GenericConsumer),
      app.get<GenericConsumer>('postage consumer (billing)'),
    ];
    expect(consumer).not.toBe(ofBilling);
    expect(consumer.snapshot).toMatchObject([{ queue: 'orders', attached: true }]);
    expect(ofBilling.snapshot).toMatchObject([{ queue: 'orders', attached: true }]);
    expect(await world.peer.channel.checkQueue('orders')).toMatchObject({ consumerCount: 1 });
    expect(await billing.peer.channel.checkQueue('orders')).toMatchObject({ consumerCount: 1 });
    const connection = app.get(PostageConnection);
    await app.close();
    expect(connection.snapshot).toMatchObject({
      consuming: { kind: 'closed' },
      publishing: { kind: 'closed' },
    });
    expect(await billing.peer.channel.checkQueue('orders')).toMatchObject({ consumerCount: 0 });
  });
});

describe('two applications in one process', () => {
  const counting = (label: string): { processor: Type; placed: Inbox<string> } => {
    const placed = new Inbox<string>();
    @Processor({ eqk: byName('shared') })
    class Counting {
      @MessageHandler('command', 'place')
      place(@Parameters() order: string): void {
        placed.push(order);
      }

      @RpcHandler('command', 'where')
      where(): string {
        return label;
      }
    }
    return { processor: Counting, placed };
  };

  it('of the same classes have state of their own, and one outlives the other', async () => {
    const instances = new Set<object>();
    @Processor({ eqk: byName('shared') })
    class Same {
      @RpcHandler('command', 'where')
      where(): number {
        instances.add(this);
        return instances.size;
      }
    }
    const { app } = await world.receive([Same]);
    await billing.receive([Same]);

    expect(await world.resultOf('shared', rpc('where'))).toEqual(success(1));
    expect(await billing.resultOf('shared', rpc('where'))).toEqual(success(2));
    await app.close();
    expect(await billing.resultOf('shared', rpc('where'))).toEqual(success(2));
    expect(await world.peer.channel.checkQueue('shared')).toMatchObject({ consumerCount: 0 });
  });

  it('on one queue share its messages, each handled once', async () => {
    const [one, two] = [counting('one'), counting('two')];
    await billing.receive([one.processor], { options: { prefetch: 1 } });
    await billing.receive([two.processor], { options: { prefetch: 1 } });
    const ids = Array.from({ length: 40 }, (_, index) => String(index));

    for (const id of ids) billing.send('shared', command('place', id));

    await eventually(() => expect(one.placed.items.length + two.placed.items.length).toBe(40));
    expect(sorted([...one.placed.items, ...two.placed.items])).toEqual(sorted(ids));
    expect(one.placed.items.length).toBeGreaterThan(0);
    expect(two.placed.items.length).toBeGreaterThan(0);
  });
});
