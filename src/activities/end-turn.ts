import type { Repositories } from '../db/repositories';
import type { AgentResult } from '../protocol/agent';
import { AppError } from '../protocol/failures';
import type { AgentRest, NewRest } from '../protocol/rest';
import type { ExecuteAgentInput } from '../protocol/run';
import { activityWaiting, kept } from './kept';
import type { AheadOpenings } from './opened-ahead';
import type { Attempt, TurnEnd } from './run-turn';

interface EndDeps {
  readonly repositories: Repositories;
  readonly ahead: AheadOpenings;
}

interface Ending<E> {
  readonly input: ExecuteAgentInput;
  readonly attempt: Attempt;
  readonly end: E;
}

/** Stores what a turn came to, once, if the attempt still holds its row. Throws ATTEMPT_FENCED. */
export function endTurn(deps: EndDeps, { end, ...rest }: Ending<TurnEnd>): Promise<AgentResult | AgentRest> {
  return 'rest' in end ? layDown(deps, { end, ...rest }) : close(deps, { end, ...rest });
}

async function close(
  { repositories: { agentRuns }, ahead }: EndDeps,
  { input, attempt, end }: Ending<Extract<TurnEnd, { result: AgentResult }>>,
): Promise<AgentResult> {
  const { result } = end;
  const { ends } = input;
  const next = ahead.propose(input.next);
  const closing = { ...keyOf(input, attempt, end), result, ends, next };
  const closed = await kept(activityWaiting(), () => agentRuns.close(input.tenantId, closing));
  if (closed.outcome === 'fenced') throw fenced();
  // `already`: another attempt closed the row first; its result is the one that counts.
  if (closed.outcome === 'already') return closed.result ?? result;
  if (next !== undefined && closed.openedNext === true) ahead.keep(input.runId, next);
  // What earlier attempts took is part of what this agent run took.
  return { ...result, usage: closed.usage, runEnded: closed.runEnded };
}

async function layDown(
  { repositories: { agentRuns } }: EndDeps,
  { input, attempt, end }: Ending<Extract<TurnEnd, { rest: NewRest }>>,
): Promise<AgentResult | AgentRest> {
  const { rest } = end;
  const { turn } = rest.asleep;
  const laying = { ...keyOf(input, attempt, end), turn, rest };
  const laid = await kept(activityWaiting(), () => agentRuns.layDown(input.tenantId, laying));
  if (laid.outcome === 'asleep') return laid.rest;
  if (laid.outcome === 'already' && laid.result !== null) return laid.result;
  throw fenced();
}

function keyOf({ runId, agent }: ExecuteAgentInput, attempt: Attempt, { read }: Pick<TurnEnd, 'read'>) {
  const { agentRunId, number, tokenHash } = attempt;
  const reading = read.length === 0 ? {} : { read, member: agent.name };
  return { runId, agentRunId, attempt: number, tokenHash, ...reading };
}

function fenced(): AppError {
  return new AppError('ATTEMPT_FENCED', 'A later attempt took over; this one changed nothing');
}
