import type { Asleep } from '../../protocol/rest';

/** A member that sleeps. */
export interface Sleeper {
  readonly member: string;
  readonly asleep: Pick<Asleep, 'waitsFor' | 'wokenBy'>;
}

/**
 * Who waits for whom, in one line, where nobody but those who sleep could wake anybody: they are all that is left of a run,
 * and none of them has said that somebody outside, or its time-out, may end the wait. Undefined where one has.
 */
export function deadlockOf(sleepers: readonly Sleeper[]): string | undefined {
  if (sleepers.length === 0 || sleepers.some(({ asleep }) => asleep.wokenBy !== 'members')) return undefined;
  return sleepers.map(waitOf).toSorted().join('; ');
}

function waitOf({ member, asleep: { waitsFor } }: Sleeper): string {
  if (waitsFor.for === 'context') return `${member} waits for context key ${waitsFor.key}`;
  return `${member} waits for ${waitsFor.from === undefined ? 'anybody' : waitsFor.from.join(' or ')}`;
}
