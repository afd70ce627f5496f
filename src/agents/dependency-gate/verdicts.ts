import { z } from 'zod';
import { AppError } from '../../protocol/failures';
import type { Json } from '../../protocol/json';
import type { AgentContext } from '../base-agent';
import { type PolicyReport, Verdict, VERDICTS } from './policy-schema';

/** Verdicts by finding, as the agents of a run share them. */
const Verdicts = z.record(z.string(), Verdict);
type Verdicts = z.infer<typeof Verdicts>;

/** Adds the verdicts to those of other policies under the key: of two on one finding the worse stays. */
export async function mergeVerdicts(
  { decisions }: PolicyReport,
  key: string,
  { context }: AgentContext,
): Promise<void> {
  await context.update(key, (value) => {
    const merged = new Map(Object.entries(read(value) ?? {}));
    for (const { finding, verdict } of decisions)
      merged.set(finding.id, worse(verdict, merged.get(finding.id) ?? verdict));
    return Object.fromEntries(merged);
  });
}

/** Throws AGENT_INPUT_INVALID unless the agents share every verdict of the policy. */
export async function assertShared(
  { decisions }: PolicyReport,
  key: string,
  { context }: AgentContext,
): Promise<void> {
  const shared = read(await context.get(key));
  if (shared === undefined)
    throw new AppError('AGENT_INPUT_INVALID', `the shared context has no verdicts under ${key}`);
  for (const { finding, verdict } of decisions) {
    const found = Object.hasOwn(shared, finding.id) ? shared[finding.id] : undefined;
    if (found !== verdict)
      throw new AppError(
        'AGENT_INPUT_INVALID',
        `the shared context says ${found ?? 'nothing'} of ${finding.id}, and the policy ${verdict}`,
      );
  }
}

function read(value: Json | undefined): Verdicts | undefined {
  return Verdicts.safeParse(value).data;
}

function worse(a: Verdict, b: Verdict): Verdict {
  return VERDICTS.indexOf(a) < VERDICTS.indexOf(b) ? a : b;
}
