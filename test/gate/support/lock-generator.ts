import { baseProject } from './base-project';
import { emitLock } from './emit-lock';
import type { Dialect, LockModel, LockVersion } from './lock-model';
import { setFlags } from './model-flags';
import type { ProjectFiles } from './npm-query';
import type { Expected } from './plant';
import { PLANTS } from './plants';
import { Random } from './random';

/** A change of a lock file, and what is known about it because it was planted. */
export interface PlantedChange {
  readonly seed: number;
  readonly dialect: Dialect;
  readonly base: object;
  readonly head: object;
  readonly expected: readonly Expected[];
  /** Names of the plants, for the message of a failing test. */
  readonly plants: readonly string[];
  /** The head as a project on disk, for npm to read. */
  readonly files: ProjectFiles;
}

const VERSIONS: readonly LockVersion[] = [3, 2, 1];

/** Makes a project, changes it in a few planted ways, and says what the gate must find. */
export function plantedChange(seed: number): PlantedChange {
  const random = new Random(seed * 7_919);
  const dialect = { version: VERSIONS[seed % 3] ?? 3, resolved: seed % 2 === 0 };
  const base = baseProject(random, dialect);
  const head = base.clone();
  const fitting = PLANTS.filter(({ versions }) => versions.includes(dialect.version));
  // Some in turn, so that a few seeds cover all, and some by chance, so that they meet in new company.
  const turn = Array.from(
    { length: 5 },
    (_, at) => fitting[(Math.floor(seed / 3) * 5 + at) % fitting.length],
  );
  const chosen = [...new Set([...turn, ...random.some(fitting, random.below(6))])].filter(
    (one) => one !== undefined,
  );
  const expected = chosen.flatMap((plant, at) =>
    plant.plant({ base, head, name: nameFor(random, at), dev: dialect.version !== 1 && random.chance(0.4) }),
  );
  for (const model of [base, head]) setFlags(model);
  const document = emitLock(head);
  return {
    seed,
    dialect,
    base: emitLock(base),
    head: document,
    expected: [...withFlags(expected, head), ...summaries(base, head)],
    plants: chosen.map(({ name }) => name),
    files: head.files(document),
  };
}

function nameFor(random: Random, at: number): string {
  return random.chance(0.3) ? `@planted/number-${at}` : `planted-${at}`;
}

/** A package nothing requires is in no tree at all, which the flags show as every tree at once. */
function withFlags(expected: readonly Expected[], head: LockModel): readonly Expected[] {
  return expected.map((one) =>
    one.kind === 'unrequired' ? { ...one, dev: head.at(one.location).dev === true } : one,
  );
}

/** What the gate says once for many packages, because the format or the dialect leaves it out. */
function summaries(base: LockModel, head: LockModel): readonly Expected[] {
  const arrived = [...head.entries].filter(([location, entry]) => {
    const before = base.entries.get(location);
    const same =
      before?.version === entry.version && before?.integrity === entry.integrity && before !== undefined;
    return (
      location.includes('node_modules/') &&
      entry.link !== true &&
      !same &&
      !movedWithin(base, location, entry.version)
    );
  });
  const about = {
    package: '*',
    version: null,
    location: '',
    change: 'various' as const,
    dev: false,
    severity: 'unknown' as const,
  };
  const silent = arrived.filter(([, entry]) => entry.resolved === undefined && entry.inBundle !== true);
  // Other bytes of a version are another script, but neither another licence nor another engine.
  const renewed = arrived.filter(
    ([location, { version }]) => base.entries.get(location)?.version !== version,
  );
  const legacy = head.dialect.version === 1;
  return [
    ...(silent.length > 0 ? [{ ...about, kind: 'provenance' as const, check: 'host-unknown' }] : []),
    ...(legacy && arrived.length > 0
      ? [{ ...about, kind: 'install-script' as const, check: 'install-script-unrecorded' }]
      : []),
    ...(legacy && renewed.length > 0
      ? [
          { ...about, kind: 'licence' as const, check: 'licence-unrecorded' },
          { ...about, kind: 'engine' as const, check: 'engine-unrecorded' },
        ]
      : []),
  ];
}

function movedWithin(base: LockModel, location: string, version: string | undefined): boolean {
  const name = location.split('node_modules/').at(-1);
  return [...base.entries].some(
    ([other, entry]) =>
      other.endsWith(`node_modules/${name}`) && entry.version === version && other.includes('-owner/'),
  );
}
