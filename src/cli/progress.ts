import type { RunEvent } from '../protocol/event';
import type { Step } from '../protocol/plan';
import { type AgentLine, waitingLines, withEvent } from './progress-lines';

/** A stream that may be a terminal. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const REDRAW_MS = 250;
const WORDS = {
  waiting: 'waiting',
  running: 'running',
  retrying: 'retrying',
  asleep: 'asleep',
  completed: 'done',
  failed: 'failed',
  skipped: 'skipped',
  cancelled: 'cancelled',
} as const;

/** Shows a run live, a line per agent: redrawn in place on a terminal, one line per change elsewhere. */
export async function showProgress(
  events: AsyncIterable<RunEvent>,
  plan: Step,
  screen: Screen,
): Promise<void> {
  const display = screen.isTTY === true ? new Table(screen) : new Transcript(screen);
  let lines: readonly AgentLine[] = waitingLines(plan);
  display.show(lines);
  const timer = setInterval(() => display.show(lines), REDRAW_MS);
  try {
    for await (const event of events) {
      lines = withEvent(lines, event);
      display.show(lines);
    }
    // The run is over: ways that it did not go are not waited for.
    lines = lines.map((line) => (line.status === 'waiting' ? { ...line, note: 'was not asked' } : line));
    display.show(lines);
  } finally {
    clearInterval(timer);
  }
}

class Table {
  private drawn = 0;

  constructor(private readonly screen: Screen) {}

  show(lines: readonly AgentLine[]): void {
    const width = (this.screen.columns ?? 100) - 1;
    const up = this.drawn > 0 ? `\u001b[${this.drawn}A` : '';
    const text = lines.map((line) => `\u001b[2K${rendered(line).slice(0, width)}\n`).join('');
    this.screen.write(up + text);
    this.drawn = lines.length;
  }
}

class Transcript {
  private readonly shown = new Map<string, string>();

  constructor(private readonly screen: Screen) {}

  show(lines: readonly AgentLine[]): void {
    for (const line of lines) {
      const state = `${line.status} ${line.note}`;
      if (this.shown.get(line.address) === state) continue;
      this.shown.set(line.address, state);
      this.screen.write(`${rendered(line)}\n`);
    }
  }
}

function rendered(line: AgentLine): string {
  const time =
    line.startedAtMs === null ? '' : `${seconds((line.endedAtMs ?? Date.now()) - line.startedAtMs)} s`;
  const columns = [
    `  ${line.address.padEnd(12)}`,
    line.agent.padEnd(16),
    WORDS[line.status].padEnd(10),
    time.padStart(8),
  ];
  return `${columns.join(' ')}  ${tokens(line).padEnd(30)} ${line.note}`.trimEnd();
}

function tokens({ usage }: AgentLine): string {
  if (usage === null) return '';
  if (usage.modelCalls === 0) return 'no model call';
  const { modelCalls, inputTokens, outputTokens } = usage;
  const calls = modelCalls === 1 ? '1 model call' : `${modelCalls} model calls`;
  if (inputTokens === null && outputTokens === null) return `${calls}, tokens unknown`;
  return `${inputTokens ?? 'unknown'} in, ${outputTokens ?? 'unknown'} out tokens`;
}

function seconds(ms: number): string {
  return (Math.max(0, ms) / 1000).toFixed(1);
}
