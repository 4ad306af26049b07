import { Injectable } from '@nestjs/common';
import { FleetDirectory, type FleetMember } from 'nestjs-postage';
import { inGroups, labelOf } from './label.js';
import { say } from './say.js';

const LIMIT_MS = 30_000;

/** Who is there, as the directory knows by listening: nobody is asked. */
@Injectable()
export class Roster {
  constructor(private readonly directory: FleetDirectory) {}

  /** Listens, and waits until so many members have been heard. */
  async expect(size: number): Promise<void> {
    await this.directory.start();
    await this.until(`${size} members`, () => this.directory.present.length >= size);
    say('wait', `for ${size} members: they are there`);
  }

  show(): void {
    for (const line of this.directory.members.map(described).toSorted()) say('directory', line);
  }

  /** Those of that name on that host. */
  labelled(label: string): readonly FleetMember[] {
    return this.directory.present.filter(({ fingerprint }) => labelOf(fingerprint) === label);
  }

  /** The names that nobody bears. */
  absent(names: readonly string[]): readonly string[] {
    return this.directory.absent(names);
  }

  /** Resolves once it is so; rejects when that takes too long. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    const isInTime = await this.directory.until(isSo, { timeoutMs: LIMIT_MS });
    if (!isInTime) throw new Error(`waited ${LIMIT_MS} ms in vain for ${what}`);
  }
}

const described = ({ fingerprint, groups, state }: FleetMember): string =>
  `${labelOf(fingerprint)} is ${state}, ${inGroups(groups)}`;
