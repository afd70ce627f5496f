import { z } from 'zod';
import type { JsonObject } from '../../protocol/json';
import type { PreviousAgentOutput } from '../base-agent';
import { Verification } from '../tools/verify/verify';
import { Finding, Severity, SEVERITIES } from './finding';
import { outputOf } from './previous';

/** What the evaluator hands on when it has struck what is false, read as findings of this gate. */
const Verified = Verification.extend({
  reports: z.record(z.string(), z.object({ findings: z.array(Finding), omitted: z.int().nonnegative() })),
});
export type Verified = z.infer<typeof Verified>;

/** What stands of the findings, as this agent verified it; null where it verified nothing. */
export async function verifiedBy(
  previous: readonly PreviousAgentOutput[],
  agent: string,
): Promise<Verified | null> {
  return await outputOf(previous, { agent, having: 'reports' }, Verified);
}

/** What stands, by finding: what several agents say alike counts once, as ids follow from what is said. */
export function standingIn({ reports }: Verified): readonly Finding[] {
  const all = Object.values(reports).flatMap(({ findings }) => findings);
  return [...new Map(all.map((finding) => [finding.id, finding])).values()];
}

/** High findings that stand, in production or in development only. */
export function highIn(verified: Verified, dev: boolean): readonly Finding[] {
  return standingIn(verified).filter((finding) => finding.severity === 'high' && finding.dev === dev);
}

const Tallied = z.object({ id: z.string(), severity: Severity, dev: z.boolean() });

/** What stands as numbers, which a plan's rules can ask for. */
export function tallyOf(findings: readonly JsonObject[]): Readonly<Record<string, number>> {
  const distinct = new Map(findings.map((finding) => [finding['id'], Tallied.parse(finding)]));
  const all = [...distinct.values()];
  const of = (severity: Severity): number => all.filter((one) => one.severity === severity).length;
  const highs = all.filter(({ severity }) => severity === 'high');
  return {
    ...Object.fromEntries(SEVERITIES.map((severity) => [severity, of(severity)])),
    highProduction: highs.filter(({ dev }) => !dev).length,
    highDevelopment: highs.filter(({ dev }) => dev).length,
  };
}
