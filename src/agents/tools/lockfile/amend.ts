import { AppError } from '../../../protocol/failures';
import type { Json, JsonObject } from '../../../protocol/json';
import { type LockSide, sideOf } from './diff';
import { type Graph, type GraphNode, buildGraph } from './graph';
import { forEachPaced } from './pacer';
import { readLock } from './parse';

/** Sections of a manifest that ask for packages. */
export const ASKING_SECTIONS = [
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'peerDependencies',
] as const;
export type AskingSection = (typeof ASKING_SECTIONS)[number];

/** One change of a lock: an entry of the base takes a place, or the project asks for something differently. */
export type Amendment =
  | { readonly op: 'take'; readonly location: string; readonly from: string }
  | {
      readonly op: 'ask';
      /** The root (`''`) or a workspace. */
      readonly in: string;
      readonly name: string;
      /** Null where nothing is to be asked for any more. */
      readonly as: AskingSection | null;
      readonly range: string | null;
    };

/** How an entry is reached is said by the tree it stands in, not by the one it is taken from. */
const FLAGS: ReadonlySet<string> = new Set(['dev', 'optional', 'devOptional', 'peer']);

interface Sides {
  readonly head: LockSide;
  readonly base: LockSide | null;
}

/**
 * The head as it would be with these amendments, or in words why they cannot be made: packages that nothing leads to any
 * more are gone, and what only development dependencies lead to now is marked so, as npm would.
 */
export async function amend(sides: Sides, amendments: readonly Amendment[]): Promise<LockSide | string> {
  const packages = { ...packagesOf(sides.head) };
  for (const amendment of amendments) {
    const entry =
      amendment.op === 'take' ? taken(amendment, sides.base) : asking(amendment, { ...sides, packages });
    if (typeof entry === 'string') return entry;
    packages[amendment.op === 'take' ? amendment.location : amendment.in] = entry;
  }
  try {
    const takes = new Set(amendments.flatMap((one) => (one.op === 'take' ? [one.location] : [])));
    return await settled(sides.head, { packages, takes });
  } catch (error) {
    // What was left may be no lock any more, as where a link would point nowhere.
    if (AppError.is(error) && error.code.startsWith('INPUT_')) return error.message;
    throw error;
  }
}

interface Amended {
  readonly packages: Record<string, Json>;
  /** Locations of what was taken from the base. */
  readonly takes: ReadonlySet<string>;
}

async function settled(head: LockSide, { packages, takes }: Amended): Promise<LockSide> {
  const first = await sideWith(head, packages);
  let isSettled = true;
  await forEachPaced(first.graph.nodes, (node) => {
    const { location } = node.entry;
    const before = head.graph.byLocation.get(location);
    const isTaken = takes.has(location);
    if (node.local) return;
    if (!first.paths.isReached(node)) {
      // What nothing led to before is not this change's to tidy up.
      if (!isTaken && (before === undefined || !head.paths.isReached(before))) return;
      delete packages[location];
      isSettled = false;
    } else if (!first.paths.inProduction(node)) {
      if (!isTaken && (before === undefined || !head.paths.inProduction(before))) return;
      packages[location] = { ...node.entry.raw, dev: true };
      isSettled = false;
    }
  });
  return isSettled ? first : await sideWith(head, packages);
}

/** What an amendment decides, in words: of two that name the same place only one can hold. */
export function placeOf(amendment: Amendment): string {
  if (amendment.op === 'take') return amendment.location;
  const who = amendment.in === '' ? 'the project' : amendment.in;
  return `what ${who} asks for as ${amendment.name}`;
}

/** Whether the lock keeps everything in a section that can be amended. */
export function isAmendable({ lock, rootKnown }: Graph): boolean {
  return !lock.legacy && rootKnown;
}

/** The section in which a manifest asks for a name; null where it does not. */
export function sectionOf({ entry }: GraphNode, name: string): AskingSection | null {
  return ASKING_SECTIONS.find((section) => rangeIn(entry.raw, section, name) !== undefined) ?? null;
}

function rangeIn(raw: JsonObject, section: AskingSection, name: string): Json | undefined {
  const asked = raw[section];
  if (typeof asked !== 'object' || asked === null || !Object.hasOwn(asked, name)) return undefined;
  return (asked as { readonly [key: string]: Json })[name];
}

async function sideWith({ graph }: LockSide, packages: Record<string, Json>): Promise<LockSide> {
  return await sideOf(await buildGraph(await readLock({ ...graph.lock.document, packages })));
}

function packagesOf({ graph }: LockSide): Readonly<Record<string, Json>> {
  return graph.lock.document['packages'] as Readonly<Record<string, Json>>;
}

function taken(
  { location, from }: Extract<Amendment, { op: 'take' }>,
  base: LockSide | null,
): JsonObject | string {
  const node = base?.graph.byLocation.get(from);
  if (node === undefined) return `the base has no package at ${JSON.stringify(from)}`;
  if (node.local || node.target !== null || !/(?:^|\/)node_modules\//.test(location))
    return `${JSON.stringify(from)} or its place is part of the project itself`;
  return Object.fromEntries(Object.entries(node.entry.raw).filter(([key]) => !FLAGS.has(key)));
}

/** The asking entry with the name in no other section than the wanted one. */
function asking(
  { in: location, name, as, range }: Extract<Amendment, { op: 'ask' }>,
  { head, packages }: { readonly head: LockSide; readonly packages: Readonly<Record<string, Json>> },
): JsonObject | string {
  const node = head.graph.byLocation.get(location);
  if (node === undefined || !(node === head.graph.root || node.workspace))
    return `${JSON.stringify(location)} is no manifest of the project`;
  const entry: Record<string, Json> = { ...(packages[location] as JsonObject) };
  for (const section of ASKING_SECTIONS) {
    if (rangeIn(entry, section, name) === undefined) continue;
    const asked = Object.entries(entry[section] as JsonObject).filter(([other]) => other !== name);
    entry[section] = Object.fromEntries(asked);
  }
  if (as !== null && range !== null) entry[as] = { ...(entry[as] as JsonObject | undefined), [name]: range };
  return entry;
}
