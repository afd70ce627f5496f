import type { TurnWrites } from '../agents/context-access';
import type { RestWish } from '../agents/long-wait';
import { joinedFacts } from '../core/facts';
import type { AgentResult, Effects } from '../protocol/agent';
import type { Json } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import type { NewRest } from '../protocol/rest';
import type { ExecuteAgentInput, FactsByBlob } from '../protocol/run';
import { storedWrites } from './context-writes';
import type { ExecuteDeps } from './execute-agent';
import { storeWithFacts } from './stored-values';

interface Ended {
  readonly input: ExecuteAgentInput;
  readonly writes: TurnWrites;
}

/** Stores what a turn brought: small values inline, of the others references and what the plan asks of them. */
export async function storedTurn(
  deps: ExecuteDeps,
  { input, output, writes }: Ended & { readonly output: Json },
): Promise<Pick<AgentResult, 'output' | 'effects' | 'facts'>> {
  const { tenantId, factsWanted, inlineBytes = LIMITS.inlineValueBytes } = input;
  const { value, facts } = await storeWithFacts(deps.repositories, {
    tenantId,
    json: output,
    factsWanted: factsWanted?.output ?? [],
    inlineBytes,
  });
  const { effects, known } = await storedEffects(deps, { input, writes });
  return { output: value, effects, ...told(joinedFacts(facts, known)) };
}

/** The same of a turn whose agent lies down, with what is to wake it. */
export async function storedRest(
  deps: ExecuteDeps,
  { input, writes, agentRunId, wish }: Ended & { readonly agentRunId: string; readonly wish: RestWish },
): Promise<NewRest> {
  const { checkpoint, untilMs, waitsFor, wokenBy, wait, filter } = wish;
  const stored = await deps.repositories.values.store(input.tenantId, checkpoint);
  const { effects, known } = await storedEffects(deps, { input, writes });
  return {
    agentRunId,
    effects,
    ...told(known),
    asleep: { turn: input.turn ?? 1, untilMs, waitsFor, wokenBy },
    resumption: { checkpoint: stored, wait },
    filter,
  };
}

async function storedEffects(
  { repositories }: ExecuteDeps,
  { input, writes }: Ended,
): Promise<{ readonly effects: Effects; readonly known: FactsByBlob }> {
  const { tenantId, factsWanted, inlineBytes = LIMITS.inlineValueBytes } = input;
  const storing = { tenantId, factsWanted: factsWanted?.context ?? {}, inlineBytes };
  const { context, facts } = await storedWrites(repositories, { ...storing, writes: writes.shared });
  const own =
    writes.private.size === 0
      ? {}
      : { private: (await storedWrites(repositories, { ...storing, writes: writes.private })).context };
  return { effects: { context, ...own }, known: facts };
}

function told(facts: FactsByBlob): Pick<AgentResult, 'facts'> {
  return Object.keys(facts).length === 0 ? {} : { facts };
}
