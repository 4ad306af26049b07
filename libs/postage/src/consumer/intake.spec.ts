import { describe, expect, it } from 'vitest';
import type { Delivery } from '../connection/port.js';
import { Intake } from './intake.js';

const delivery = (deliveryTag: number): Delivery => ({
  deliveryTag,
  redelivered: false,
  exchange: '',
  routingKey: 'k',
  content: Buffer.alloc(0),
  properties: {},
});

const open = (limit: number) => {
  const started: number[] = [];
  const gate = { isOpen: true };
  const intake = new Intake({
    limit,
    mayStart: () => gate.isOpen,
    start: ({ deliveryTag }) => void started.push(deliveryTag),
  });
  const add = (...tags: readonly number[]): void => tags.forEach((tag) => intake.add(delivery(tag)));
  return { intake, started, gate, add };
};

describe('Intake', () => {
  it('starts what comes, as many at once as it may, in order', () => {
    const { intake, started, add } = open(2);
    add(1, 2, 3, 4);
    expect([started, intake.waiting]).toEqual([[1, 2], 2]);
    intake.ended();
    expect(started).toEqual([1, 2, 3]);
    intake.ended();
    intake.ended();
    expect([started, intake.waiting]).toEqual([[1, 2, 3, 4], 0]);
  });

  it('starts nothing while it is closed, and the oldest first when something comes after that', () => {
    const { intake, started, gate, add } = open(9);
    gate.isOpen = false;
    add(1, 2);
    intake.startWaiting();
    expect(started).toEqual([]);
    gate.isOpen = true;
    add(3);
    expect(started).toEqual([1, 2, 3]);
  });

  it('hands over what has not started, and starts none of that', () => {
    const { intake, started, add } = open(1);
    add(1, 2, 3);
    expect(intake.takeWaiting().map(({ deliveryTag }) => deliveryTag)).toEqual([2, 3]);
    intake.ended();
    expect([started, intake.waiting]).toEqual([[1], 0]);
  });
});
