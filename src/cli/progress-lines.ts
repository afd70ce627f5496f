import type { AgentStatus, Usage } from '../protocol/agent';
import type { RunEvent } from '../protocol/event';
import type { Step } from '../protocol/plan';
import { childAddress, ROOT_ADDRESS } from '../core/addresses';
import { childPlace, childrenOf, isComposite } from '../core/strategies/children';

/** One agent of the run as the terminal shows it. Times are milliseconds since the epoch, by the database's clock. */
export interface AgentLine {
  readonly address: string;
  readonly agent: string;
  readonly status: AgentStatus;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly usage: Usage | null;
  readonly note: string;
}

/** A line for every agent the plan names, all waiting. */
export function waitingLines(plan: Step): AgentLine[] {
  return agentsAt(plan, ROOT_ADDRESS).map(([address, agent]) => waiting(address, agent));
}

/** The lines after one more event. Unknown addresses (a fallback agent) get a line of their own. */
export function withEvent(lines: readonly AgentLine[], event: RunEvent): readonly AgentLine[] {
  const { address, agent } = event;
  if (address === undefined || agent === undefined) return lines;
  const change = changeOf(event);
  if (change === undefined) return lines;
  const known = lines.some((line) => line.address === address);
  const all = known ? lines : [...lines, waiting(address, agent)];
  return all.map((line) => (line.address === address ? { ...line, ...change(line) } : line));
}

type Change = (line: AgentLine) => Partial<AgentLine>;

function changeOf({ type, at, data }: RunEvent): Change | undefined {
  const atMs = Date.parse(at);
  const { code, message } = data as { readonly code?: string; readonly message?: string };
  const reason = message === undefined ? '' : `${code}: ${message}`;
  switch (type) {
    case 'agent.started':
      return (line) => ({ status: 'running', startedAtMs: line.startedAtMs ?? atMs });
    case 'agent.attempt-failed':
      return (line) => ({ note: reason, status: data['willRetry'] === true ? 'retrying' : line.status });
    case 'agent.asleep':
      return () => ({ status: 'asleep' });
    case 'agent.completed':
      return () => ({
        status: 'completed',
        endedAtMs: atMs,
        note: '',
        usage: (data['usage'] ?? null) as Usage | null,
      });
    case 'agent.failed':
      return () => ({
        status: data['status'] === 'cancelled' ? 'cancelled' : 'failed',
        endedAtMs: atMs,
        note: reason,
      });
    case 'agent.skipped':
      return () => ({ note: `skipped after ${reason}` });
    case 'agent.fell-back':
      return () => ({ note: `replaced by its fallback after ${reason}` });
    default:
      return undefined;
  }
}

function agentsAt(step: Step, address: string): [string, string][] {
  if (step.type === 'agent') return [[address, step.agent]];
  if (!isComposite(step)) return [];
  return childrenOf(step).flatMap((child, i) => agentsAt(child, childAddress(address, childPlace(step, i))));
}

function waiting(address: string, agent: string): AgentLine {
  return { address, agent, status: 'waiting', startedAtMs: null, endedAtMs: null, usage: null, note: '' };
}
