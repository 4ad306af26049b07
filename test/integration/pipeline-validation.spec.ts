import {
  ParseIntPipe,
  StandardSchemaValidationPipe,
  UsePipes,
  ValidationPipe,
  type INestMicroservice,
  type PipeTransform,
} from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { Type } from 'class-transformer';
import { IsInt, IsString, ValidateNested } from 'class-validator';
import { Content, MessageHandler, Parameters, Processor, RpcHandler } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { uniqueName } from '../support/rabbit.js';
import { byName, call, command, failure, success, useWorld } from './world.js';

const world = useWorld();

class SumDto {
  @IsInt()
  a!: number;

  @IsInt()
  b!: number;
}

class SumContent {
  @ValidateNested()
  @Type(() => SumDto)
  parameters!: SumDto;
}

const A_WRONG = 'a must be an integer number';
const B_WRONG = 'b must be an integer number';
const globally =
  (pipe: PipeTransform) =>
  (app: INestMicroservice): void => {
    app.useGlobalPipes(pipe);
  };

describe('ValidationPipe', () => {
  it('that is global validates the DTO of `@Parameters()`, and tells an rpc caller all that is wrong', async () => {
    const queue = uniqueName('sums');
    @Processor({ eqk: byName(queue) })
    class Sums {
      @RpcHandler('command', 'sum')
      sum(@Parameters() dto: SumDto): object {
        return { sum: dto.a + dto.b, isDto: dto instanceof SumDto };
      }
    }
    await world.receive([Sums], { configure: globally(new ValidationPipe({ transform: true })) });

    expect(await world.resultOf(queue, call('sum', { a: 1, b: 2 }))).toEqual(
      success({ sum: 3, isDto: true }),
    );
    expect(await world.resultOf(queue, call('sum', { a: 'x', b: null }))).toEqual(
      failure(`${A_WRONG}; ${B_WRONG}`),
    );
    expect(await world.resultOf(queue, call('sum', { a: 1 }))).toEqual(failure(B_WRONG));
  });

  it('on one parameter validates that one only', async () => {
    const queue = uniqueName('sums');
    @Processor({ eqk: byName(queue) })
    class Sums {
      @RpcHandler('command', 'strict')
      strict(@Parameters(ValidationPipe) dto: SumDto): number {
        return dto.a;
      }

      @RpcHandler('command', 'lenient')
      lenient(@Parameters() dto: SumDto): number {
        return dto.a;
      }
    }
    await world.receive([Sums]);

    expect(await world.resultOf(queue, call('strict', { a: 'x', b: 2 }))).toEqual(failure(A_WRONG));
    expect(await world.resultOf(queue, call('lenient', { a: 'x', b: 2 }))).toEqual(success('x'));
  });

  it('validates the DTO of `@Content()` and of `@Payload()` too', async () => {
    const queue = uniqueName('sums');
    @UsePipes(new ValidationPipe())
    @Processor({ eqk: byName(queue) })
    class Sums {
      @RpcHandler('command', 'content')
      content(@Content() { parameters }: SumContent): number {
        return parameters.a;
      }

      @RpcHandler('command', 'payload')
      payload(@Payload() { parameters }: SumContent): number {
        return parameters.a;
      }
    }
    await world.receive([Sums]);

    for (const name of ['content', 'payload']) {
      expect(await world.resultOf(queue, call(name, { a: 1, b: 2 }))).toEqual(success(1));
      expect(await world.resultOf(queue, call(name, { a: 'x', b: 2 }))).toEqual(
        failure(`parameters.${A_WRONG}`),
      );
    }
  });

  it('rejects an invalid message once, to be dead-lettered, and the handler never sees it', async () => {
    const { queue, eqk, dead } = await world.guardedQueue();
    const seen: SumDto[] = [];
    @Processor({ eqk })
    class Sums {
      @MessageHandler('command', 'sum')
      sum(@Parameters() dto: SumDto): void {
        seen.push(dto);
      }
    }
    const { app, events } = await world.receive([Sums], { configure: globally(new ValidationPipe()) });

    world.send(queue, command('sum', { a: 'x', b: 2 }));

    const [letter] = await dead.take(1);
    expect(letter?.properties.headers?.['x-death']).toMatchObject([{ reason: 'rejected', count: 1 }]);
    await app.close();
    expect(events.of('handler.failed').items).toMatchObject([
      { handler: 'Sums.sum', error: { message: 'Bad Request Exception' } },
    ]);
    expect(seen).toEqual([]);
    expect(await world.leftIn(queue)).toBeUndefined();
  });

  it('leaves sender, context and reply function alone, even when it forbids unknown values', async () => {
    const queue = uniqueName('strict');
    class Named {
      @IsString()
      name!: string;
    }
    @Processor({ eqk: byName(queue) })
    class Strict {
      @RpcHandler('command', 'hello')
      hello(@Parameters() { name }: Named): string {
        return `hello ${name}`;
      }
    }
    const pipe = new ValidationPipe({
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: true,
    });
    await world.receive([Strict], { configure: globally(pipe) });

    expect(await world.resultOf(queue, call('hello', { name: 'eu' }))).toEqual(success('hello eu'));
    expect(await world.resultOf(queue, call('hello', { name: 'eu', x: 1 }))).toEqual(
      failure('property x should not exist'),
    );
  });
});

describe('ParseIntPipe', () => {
  it('turns text into a number, or refuses it', async () => {
    const queue = uniqueName('doubles');
    @Processor({ eqk: byName(queue) })
    class Doubles {
      @RpcHandler('command', 'double')
      double(@Parameters(ParseIntPipe) value: number): number {
        return value * 2;
      }
    }
    await world.receive([Doubles]);

    expect(await world.resultOf(queue, call('double', '21'))).toEqual(success(42));
    expect(await world.resultOf(queue, call('double', 'x'))).toEqual(
      failure('Validation failed (numeric string is expected)'),
    );
  });
});

describe('StandardSchemaValidationPipe', () => {
  const sum = z.object({ a: z.number(), b: z.coerce.number() });
  type Sum = z.infer<typeof sum>;

  it('validates and converts what has a schema of zod', async () => {
    const queue = uniqueName('schemas');
    @Processor({ eqk: byName(queue) })
    class Schemas {
      @RpcHandler('command', 'parameters')
      parameters(@Parameters({ schema: sum }) { a, b }: Sum): number {
        return a + b;
      }

      @RpcHandler('command', 'content')
      content(
        @Content({ schema: z.object({ parameters: sum }) }) { parameters: { a, b } }: { parameters: Sum },
      ): number {
        return a + b;
      }

      @RpcHandler('command', 'payload')
      payload(@Payload('parameters', { schema: sum }) { a, b }: Sum): number {
        return a + b;
      }
    }
    await world.receive([Schemas], { configure: globally(new StandardSchemaValidationPipe()) });

    for (const name of ['parameters', 'content', 'payload']) {
      expect(await world.resultOf(queue, call(name, { a: 1, b: '2' }))).toEqual(success(3));
      const refused = await world.resultOf(queue, call(name, { a: 'x', b: 2 }));
      expect(refused).toMatchObject({
        type: 'error',
        message: expect.stringMatching(/a: .*expected number/) as string,
      });
    }
  });
});
