/** One member that does nothing but wait for messages. */
export interface Wait {
  readonly member: string;
  /** Who could end it; undefined where anybody's message would. */
  readonly from?: readonly string[] | undefined;
  /** It ends by itself: a deadline that means something else than failure. */
  readonly hasTimer: boolean;
}

export interface Standing {
  readonly waits: readonly Wait[];
  /** Members that are at work, or whose messages are still on their way. */
  readonly awake: readonly string[];
  /** Somebody outside of the run may send. */
  readonly outsideSender: boolean;
}

/**
 * Who can never go on, in one line that names who waits for whom; undefined where nobody is stuck. A member goes on where
 * its timer ends, or where anybody it waits for goes on; the others wait for each other for ever.
 */
export function deadlockOf({ waits, awake, outsideSender }: Standing): string | undefined {
  if (outsideSender || waits.length === 0) return undefined;
  const moving = new Set([...awake, ...waits.filter(({ hasTimer }) => hasTimer).map(({ member }) => member)]);
  for (let grown = true; grown;) {
    grown = false;
    for (const { member, from } of waits) {
      if (moving.has(member) || !canBeWoken(from, moving)) continue;
      moving.add(member);
      grown = true;
    }
  }
  const stuck = waits.filter(({ member }) => !moving.has(member));
  if (stuck.length === 0) return undefined;
  return stuck
    .map(({ member, from }) => `${member} waits for ${from === undefined ? 'anybody' : from.join(' or ')}`)
    .toSorted()
    .join('; ');
}

function canBeWoken(from: readonly string[] | undefined, moving: ReadonlySet<string>): boolean {
  return from === undefined ? moving.size > 0 : from.some((name) => moving.has(name));
}
