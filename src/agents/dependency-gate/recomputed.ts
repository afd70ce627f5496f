import { forEachPaced } from '../tools/lockfile/pacer';
import type { Analysis } from './analysis';
import { duplicateFindings } from './duplicate-findings';
import { engineBasis, engineFindings } from './engine-findings';
import { type Finding, type FindingDraft, type FindingKind, withId } from './finding';
import { deprecatedFindings, missingFindings, sizeFindings, unrequiredFindings } from './footprint-findings';
import { installScriptFindings } from './install-script-findings';
import { licenceFindings } from './licence-findings';
import { provenanceFindings } from './provenance-findings';

/** By kind, what finds it; a kind without its finder does not compile. */
const FINDERS: Readonly<
  Record<FindingKind, (analysis: Analysis) => readonly FindingDraft[] | Promise<readonly FindingDraft[]>>
> = {
  licence: licenceFindings,
  'install-script': installScriptFindings,
  provenance: provenanceFindings,
  duplicate: duplicateFindings,
  engine: (analysis) => engineFindings(analysis, engineBasis(analysis, analysis.input.nodeVersion)),
  size: (analysis) => sizeFindings(analysis, analysis.installed),
  deprecated: deprecatedFindings,
  unrequired: unrequiredFindings,
  missing: missingFindings,
};

/** Every high finding that the gate's own checks make, with the id it has in every run. */
export async function highFindings(analysis: Analysis): Promise<readonly Finding[]> {
  const high: Finding[] = [];
  for (const find of Object.values(FINDERS))
    for (const draft of await find(analysis)) if (draft.severity === 'high') high.push(withId(draft));
  return high;
}

/** What the gate's own checks find in the files, kind by kind as it is asked for. */
export class Recomputed {
  private readonly byKind = new Map<FindingKind, Promise<ReadonlyMap<string, readonly FindingDraft[]>>>();

  constructor(private readonly analysis: Analysis) {}

  /** What is true of this kind at this location of the head; '' is the root, and what is said of many at once. */
  async at(kind: FindingKind, location: string): Promise<readonly FindingDraft[]> {
    const known = this.byKind.get(kind) ?? this.find(kind);
    this.byKind.set(kind, known);
    return (await known).get(location) ?? [];
  }

  private async find(kind: FindingKind): Promise<ReadonlyMap<string, readonly FindingDraft[]>> {
    const byLocation = new Map<string, FindingDraft[]>();
    await forEachPaced(await FINDERS[kind](this.analysis), (draft) => {
      const others = byLocation.get(draft.location);
      if (others === undefined) byLocation.set(draft.location, [draft]);
      else others.push(draft);
    });
    return byLocation;
  }
}
