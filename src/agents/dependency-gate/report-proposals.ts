import { type ReportFacts } from './facts';
import { code, prose, shorten, table } from './markdown';
import type { Remedy, Unproven } from './remedy-schema';
import { cutNote, evidenceText, section } from './report-tables';
import type { Waiver } from './waivers';

/** Lines of any one table; the agents' outputs hold the others. */
const MAX_ROWS = 8;
const MAX_SHOWN = 3;

/** Which way the findings led to the verdict. */
export function waySection({ policy, remedies, waivers }: ReportFacts): string {
  const high = policy.decisions.filter(({ finding }) => finding.severity === 'high');
  const production = high.filter(({ finding }) => !finding.dev).length;
  const ways = [
    ...(remedies === null ? [] : ['remedies were looked for and proven on the lock']),
    ...(waivers === null ? [] : ['waivers were written for development']),
  ];
  return section('Which way it went', [
    `High findings that stand: ${production} in production, ${high.length - production} in development only. ` +
      (ways.length === 0 ? 'So the verdict came at once.' : `So ${ways.join(', and ')}, before the verdict.`),
    ...(production > 0 && remedies === null ? ['No remedy was worked out: that way came to nothing.'] : []),
    ...(high.length > production && waivers === null
      ? ['No waiver was written: that way came to nothing.']
      : []),
  ]);
}

/** What would remove high findings from production, and that it does. */
export function remedySections({ remedies }: ReportFacts): readonly string[] {
  if (remedies === null) return [];
  const { holding, report } = remedies;
  const { unproven, counts } = report;
  return [
    ...(holding.length === 0
      ? []
      : [
          section(`Proven remedies (${holding.length})`, [
            table(
              ['Remedy', 'Removes', 'High before', 'High after', 'Packages that change'],
              holding.slice(0, MAX_ROWS).map(remedyRow),
              [2, 3],
            ),
            ...cutNote(Math.min(holding.length, MAX_ROWS), holding.length),
            'The dependency graph and every finding were recomputed with the remedy in the lock, twice: by the agent that ' +
              'proposes it and by the one that judges it. None brings a new high finding.',
          ]),
        ]),
    ...sentBackNote(remedies.judgement?.rejected.length ?? 0, 'remedy'),
    ...(unproven.length === 0
      ? []
      : [
          section(`No remedy proven (${counts.unproven})`, [
            table(['Package', 'What was tried'], unproven.slice(0, MAX_ROWS).map(unprovenRow)),
            ...cutNote(Math.min(unproven.length, MAX_ROWS), counts.unproven),
          ]),
        ]),
  ];
}

/** What somebody would have to sign. */
export function waiverSections({ waivers }: ReportFacts): readonly string[] {
  if (waivers === null) return [];
  const { holding, judgement } = waivers;
  if (holding.length === 0) return sentBackNote(judgement?.rejected.length ?? 0, 'waiver');
  return [
    section(`Waivers to sign (${holding.length})`, [
      table(
        ['For', 'Reason', 'Holds while', 'Ended by', 'Days at most'],
        holding.slice(0, MAX_ROWS).map(waiverRow),
        [4],
      ),
      ...cutNote(Math.min(holding.length, MAX_ROWS), holding.length),
    ]),
    ...sentBackNote(judgement?.rejected.length ?? 0, 'waiver'),
  ];
}

/** What was still wrong after the last round is said, and counts for nothing. */
function sentBackNote(rejected: number, what: string): readonly string[] {
  if (rejected === 0) return [];
  const many = what === 'remedy' ? 'remedies' : 'waivers';
  return [
    rejected === 1
      ? `1 proposed ${what} did not hold, and counts for nothing.`
      : `${rejected} proposed ${many} did not hold, and count for nothing.`,
  ];
}

function remedyRow({ says, overrides, proof }: Remedy): readonly string[] {
  const pins = Object.entries(overrides).map(([name, version]) => code(`"${name}": "${version}"`));
  const changes = proof.changes
    .slice(0, MAX_SHOWN)
    .map(({ change, package: name, before, after }) =>
      change === 'removed'
        ? `${code(name)} goes`
        : `${code(name)} ${code(before ?? '')} → ${code(after ?? 'unknown')}`,
    );
  const rest = proof.changeCount - changes.length;
  return [
    [prose(shorten(says, 300)), ...pins.map((pin) => `overrides: ${pin}`)].join('<br>'),
    proof.gone.length === 1 ? '1 finding' : `${proof.gone.length} findings`,
    String(proof.high.before),
    String(proof.high.after),
    changes.length === 0 ? '–' : [...changes, ...(rest > 0 ? [`and ${rest} more`] : [])].join('<br>'),
  ];
}

function unprovenRow({ package: name, version, why }: Unproven): readonly string[] {
  return [`${code(name)} ${code(version ?? 'unknown')}`, prose(shorten(why, 400))];
}

function waiverRow({ scope, reason, holdsWhile, endedBy, expiry }: Waiver): readonly string[] {
  const places = holdsWhile.slice(0, MAX_SHOWN).map(evidenceText);
  const rest = holdsWhile.length - places.length;
  return [
    `${code(scope.package)} ${code(scope.version ?? 'unknown')}`,
    prose(shorten(reason, 300)),
    [...places, ...(rest > 0 ? [`and ${rest} more`] : [])].join('<br>'),
    prose(endedBy),
    String(expiry.days),
  ];
}
