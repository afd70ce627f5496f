import type { Standing } from '../tools/verify/evidence';
import type { Struck } from '../tools/verify/verify';
import { type ReportFacts, pathText } from './facts';
import type { Evidence } from './finding';
import type { FootprintReport } from './footprint-report';
import type { DirectChange, InventoryChange, InventoryReport } from './inventory-report';
import { code, prose, shorten, table } from './markdown';
import type { Decision, PolicyReport, Verdict } from './policy-schema';

/** Lines of any one table; what is left out is counted below it. With the longest names the whole still fits a comment. */
const MAX_ROWS = { block: 20, waive: 20, merge: 10, changes: 20, direct: 10, struck: 12 } as const;

const HEADINGS: Readonly<Record<Verdict, string>> = {
  block: 'Must be resolved first',
  waive: 'May pass once somebody answers for it',
  merge: 'Noted',
};

/** The totals before and after. */
export function totalsTable({ inventory, footprint }: ReportFacts): string {
  if (footprint === null) {
    const { base, head } = inventory;
    return table(
      ['', 'Before', 'After'],
      [['Entries in the lock', say(base?.packages), say(head.packages)]],
      [1, 2],
    );
  }
  const { head, base } = footprint.totals;
  const line = (name: string, of: (totals: typeof head) => number | null): readonly string[] => [
    name,
    base === null ? '–' : say(of(base)),
    say(of(head)),
  ];
  return table(
    ['', 'Before', 'After'],
    [
      line('Packages', (totals) => totals.packages),
      line('– in production', (totals) => totals.production),
      line('– in development only', (totals) => totals.developmentOnly),
      line('Asked for directly', (totals) => totals.direct),
      line('Names in several versions', (totals) => totals.namesInSeveralVersions),
      line('With an install script', (totals) => totals.withInstallScript),
      line('Furthest from the project', (totals) => totals.depth),
      ['Installed size', 'unknown', installedText(footprint)],
    ],
    [1, 2],
  );
}

/** The findings that were decided alike, with reason and evidence. */
export function decisionSection(policy: PolicyReport, verdict: Verdict): string | null {
  const decisions = policy.decisions.filter((decision) => decision.verdict === verdict);
  if (decisions.length === 0) return null;
  const rows = decisions.slice(0, MAX_ROWS[verdict]).map(decisionRow);
  return section(`${HEADINGS[verdict]} (${decisions.length})`, [
    table(['Severity', 'Finding', 'Came in by', 'Evidence', 'Rule'], rows),
    ...cutNote(rows.length, decisions.length),
  ]);
}

/** The findings that the files contradict, with the place that shows it. */
export function struckSection({ struck, struckCount }: PolicyReport): string | null {
  if (struckCount === 0) return null;
  const rows = struck.slice(0, MAX_ROWS.struck).map(struckRow);
  return section(`Struck, because the files say otherwise (${struckCount})`, [
    table(['Finding', 'By', 'Place', 'If it were true', 'What stands there', 'Why'], rows),
    ...cutNote(rows.length, struckCount),
  ]);
}

/** What was added, removed and changed. */
export function changeSections({ inventory }: ReportFacts): readonly string[] {
  const { counts, changes, direct } = inventory;
  const total = counts.added + counts.changed + counts.moved + counts.removed;
  const said = `Added ${counts.added}, changed ${counts.changed}, moved ${counts.moved}, removed ${counts.removed}.`;
  const shown = changes.slice(0, MAX_ROWS.changes).map(changeRow);
  const asked = direct.slice(0, MAX_ROWS.direct).map(directRow);
  return [
    section('What changed', [
      said,
      ...(shown.length === 0
        ? []
        : [table(['', 'Package', 'Before', 'After', 'Used in', 'Came in by'], shown)]),
      ...cutNote(shown.length, total),
    ]),
    ...(asked.length === 0
      ? []
      : [
          section('What the project asks for', [
            table(['In', 'Name', 'As', 'Before', 'After'], asked),
            ...cutNote(asked.length, direct.length),
          ]),
        ]),
  ];
}

/** Files, formats and the rules that decided. */
export function methodSection({ inventory, policy, footprint }: ReportFacts): string {
  const rules = new Map(policy.decisions.map(({ rule, reason, verdict }) => [rule, `${verdict}: ${reason}`]));
  return section('How this was judged', [
    [
      `- Head ${fileText(inventory.head)}; base ${inventory.base === null ? 'none' : fileText(inventory.base)}.`,
      `- ${enginesText(footprint)}`,
      ...[...rules].map(([id, text]) => `- Rule ${code(id)}: ${prose(text)}`),
      ...(policy.omitted > 0 ? [`- ${policy.omitted} further findings are counted but not listed.`] : []),
    ].join('\n'),
  ]);
}

function decisionRow({ finding, rule }: Decision): readonly string[] {
  const { severity, claim, path, dev, evidence } = finding;
  const shown = evidence.slice(0, 2).map(evidenceText);
  const rest = evidence.length - shown.length;
  return [
    severity,
    prose(shorten(claim, 300)),
    finding.package === '*' ? '–' : `${code(pathText(path))}${dev ? ' (development)' : ''}`,
    [...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].join('<br>'),
    code(rule),
  ];
}

function struckRow({ claim, agent, file, pointer, expected, found, reason }: Struck): readonly string[] {
  return [
    prose(shorten(claim, 200)),
    code(agent),
    placeText({ file, pointer }),
    standingText(expected),
    standingText(found),
    prose(shorten(reason, 300)),
  ];
}

function standingText(standing: Standing): string {
  if ('absent' in standing) return 'nothing';
  return 'is' in standing
    ? prose(shorten(standing.is, 120))
    : code(shorten(JSON.stringify(standing.value), 80));
}

function placeText({ file, pointer }: Pick<Struck, 'file' | 'pointer'>): string {
  return `${prose(shorten(file, 60))} ${code(pointer === '' ? '/' : pointer)}`;
}

/** A place in a file with what stands there. */
export function evidenceText(evidence: Evidence): string {
  const place = placeText(evidence);
  return 'absent' in evidence
    ? `${place} is absent`
    : `${place} = ${code(shorten(JSON.stringify(evidence.value), 80))}`;
}

function changeRow(change: InventoryChange): readonly string[] {
  const { change: kind, before, after, dev, local, path } = change;
  return [
    kind,
    code(change.package),
    code(kind === 'added' ? '' : (before ?? 'unknown')),
    code(kind === 'removed' ? '' : (after ?? 'unknown')),
    local ? 'project' : dev ? 'development' : 'production',
    code(pathText(path)),
  ];
}

function directRow({ in: where, name, type, before, after }: DirectChange): readonly string[] {
  return [code(where === '' ? 'root' : where), code(name), type, code(before ?? ''), code(after ?? '')];
}

function enginesText(footprint: FootprintReport | null): string {
  if (footprint === null) return 'Engines, duplicates and totals were not looked at.';
  const { engineBasis: basis } = footprint;
  if (basis === null) return 'Engines are held against nothing: no Node.js version is known.';
  return `Engines are held against Node.js ${code(basis.node)}.`;
}

function fileText({ name, lockfileVersion }: InventoryReport['head']): string {
  return `${code(name)} (lock version ${lockfileVersion})`;
}

function installedText({ installed }: FootprintReport): string {
  if (installed === null) return 'unknown';
  const size = `${(installed.bytes / 1024 / 1024).toFixed(1)} MiB`;
  const all = installed.measured + installed.unmeasured;
  return installed.unmeasured === 0 ? size : `${size} (${installed.measured} of ${all} packages measured)`;
}

/** How much of a table is left out, where something is. */
export function cutNote(shown: number, total: number): readonly string[] {
  return shown < total
    ? [`The first ${shown} of ${total} are shown; the agents’ outputs hold the others.`]
    : [];
}

/** A part of the report under its own heading. */
export function section(heading: string, parts: readonly string[]): string {
  return [`### ${heading}`, ...parts].join('\n\n');
}

function say(value: number | null | undefined): string {
  return value === null || value === undefined ? 'unknown' : String(value);
}
