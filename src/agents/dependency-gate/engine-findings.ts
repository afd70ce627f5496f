import { collectPaced } from '../tools/lockfile/pacer';
import type { Json, JsonObject } from '../../protocol/json';
import { memberOf } from '../tools/lockfile/entry';
import { extendPointer } from '../tools/lockfile/pointer';
import { type VersionSet, includesVersion, isSubset, parseRange } from '../tools/lockfile/version-range';
import type { GraphNode } from '../tools/lockfile/graph';
import type { LockChange } from './analysis';
import { type Arrival, aboutMany, aboutPackage, allDevelopment, arrivalsOf, bringsNew } from './cite';
import { citeVersion, countOf, label, plain } from './cite';
import type { Evidence, FindingDraft } from './finding';

/** What packages' `engines.node` is held against. */
export type EngineBasis =
  | { readonly kind: 'version'; readonly node: string }
  | { readonly kind: 'root'; readonly node: string; readonly range: VersionSet }
  | { readonly kind: 'unknown' };

/** The given version, or else the range the root itself promises to run on. */
export function engineBasis({ head }: LockChange, nodeVersion: string | undefined): EngineBasis {
  if (nodeVersion !== undefined) return { kind: 'version', node: nodeVersion.replace(/^v/, '') };
  const said = nodeEngineOf(head.graph.root);
  const range = said === null ? null : parseRange(said.range);
  return said === null || range === null ? { kind: 'unknown' } : { kind: 'root', node: said.range, range };
}

/** Packages of the change that do not run on every Node.js the project runs on. */
export async function engineFindings(
  change: LockChange,
  basis: EngineBasis,
): Promise<readonly FindingDraft[]> {
  const { head } = change;
  const arrivals = arrivalsOf(change).filter((one) => bringsNew(one, ['name', 'version', 'engines']));
  if (head.graph.lock.legacy) return arrivals.length === 0 ? [] : [unrecorded(change, arrivals)];
  const demanding = arrivals.filter(({ after }) => memberOf(after.entry, 'engines') !== undefined);
  if (basis.kind === 'unknown') return demanding.length === 0 ? [] : [noBasis(change, demanding)];
  return await collectPaced(demanding, (arrival) => engineFinding([change, basis], arrival));
}

interface NodeEngine {
  readonly range: string;
  readonly evidence: Evidence;
}

/** `engines.node` of an entry; older manifests say the same in a list such as ["node >= 0.8"]. */
function nodeEngineOf(node: GraphNode): NodeEngine | null {
  const engines: Json | undefined = memberOf(node.entry, 'engines');
  if (typeof engines !== 'object' || engines === null) return null;
  const list = Array.isArray(engines);
  const members: readonly (readonly [string, Json])[] = Object.entries(engines as JsonObject);
  for (const [key, value] of members) {
    if (typeof value !== 'string' || value.length > 1_000) continue;
    const range = list ? /^node\s*(.*)$/.exec(value)?.[1] : key === 'node' ? value : undefined;
    if (range === undefined) continue;
    const pointer = extendPointer(extendPointer(node.entry.pointer, 'engines'), key);
    return { range, evidence: { file: 'head', pointer, value } };
  }
  return null;
}

function engineFinding(
  [change, basis]: readonly [LockChange, Exclude<EngineBasis, { kind: 'unknown' }>],
  arrival: Arrival,
): FindingDraft | null {
  const engine = nodeEngineOf(arrival.after);
  if (engine === null) return null;
  const range = parseRange(engine.range);
  const about = { ...aboutPackage(change.head, arrival), kind: 'engine' as const };
  const wants = `${label(arrival.after)} asks for Node.js ${JSON.stringify(plain(engine.range))}`;
  const evidence = [engine.evidence];
  if (range === null) {
    const claim = `${wants}, which is not a version range.`;
    return { ...about, check: 'engine-unreadable', severity: 'unknown', claim, evidence };
  }
  if (basis.kind === 'version') {
    if (includesVersion(range, basis.node) !== false) return null;
    const claim = `${wants}; Node.js ${basis.node} is not in that range.`;
    return { ...about, check: 'engine-unsupported', severity: 'high', claim, evidence };
  }
  if (isSubset(basis.range, range)) return null;
  const root = nodeEngineOf(change.head.graph.root);
  const claim = `${wants}, which leaves out versions that the root promises to run on (${JSON.stringify(plain(basis.node))}).`;
  const both = root === null ? evidence : [...evidence, root.evidence];
  return { ...about, check: 'engine-narrower', severity: 'low', claim, evidence: both };
}

function unrecorded({ head }: LockChange, arrivals: readonly Arrival[]): FindingDraft {
  return {
    ...aboutMany(allDevelopment(head, arrivals)),
    kind: 'engine',
    check: 'engine-unrecorded',
    severity: 'unknown',
    claim: `Version 1 lock files record no engines: those of ${countOf(arrivals.length, 'added or changed package')} are unknown.`,
    evidence: [citeVersion('head', head)],
  };
}

function noBasis({ head }: LockChange, demanding: readonly Arrival[]): FindingDraft {
  const { entry } = head.graph.root;
  const said = memberOf(entry, 'engines');
  const pointer = extendPointer(entry.pointer, 'engines');
  const packages = countOf(demanding.length, 'added or changed package');
  return {
    ...aboutMany(allDevelopment(head, demanding)),
    kind: 'engine',
    check: 'engine-basis-unknown',
    severity: 'unknown',
    claim: `The root names no Node.js range to hold the engines of ${packages} against.`,
    evidence: [
      said === undefined || JSON.stringify(said).length > 1_000
        ? { file: 'head', pointer: extendPointer(pointer, 'node'), absent: true }
        : { file: 'head', pointer, value: said },
    ],
  };
}
