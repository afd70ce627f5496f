import type { ContextBatch, ContextSeen, NumberedWrite, WriteAnswer } from '../../protocol/context';
import type { ContextBook } from './book';

/** Writes of one agent run that left at once, and what became of each: an attempt that asks again is told the same. */
interface Lane {
  readonly agent: string;
  /** Of earlier turns: they are told, and nobody asks for them any more. */
  readonly written: number;
  readonly answers: WriteAnswer[];
  /** What the keys held before. */
  readonly before: (ContextSeen | null)[];
  /** How many of them the story tells of. */
  told: number;
}

/** What of a lane the story does not tell yet. Version 0: refused. */
export interface Untold {
  readonly address: string;
  readonly agent: string;
  /** Number of the first of them. */
  readonly from: number;
  readonly versions: readonly number[];
}

const NONE: readonly Untold[] = [];
const NOT_AT_WORK: WriteAnswer = {
  refused: 'ATTEMPT_FENCED',
  message: 'The agent is no longer at work; nothing was written',
};
const OUT_OF_ORDER: WriteAnswer = {
  refused: 'ATTEMPT_FENCED',
  message: 'An earlier context write of this agent run is missing; nothing was written',
};

/** Whose writes may leave at once: those of agents at work, each write once. */
export class ContextLanes {
  private readonly atWork = new Map<string, Pick<Lane, 'agent' | 'written'>>();
  private readonly lanes = new Map<string, Lane>();

  constructor(private readonly book: ContextBook) {}

  begins(address: string, who: Pick<Lane, 'agent' | 'written'>): void {
    this.atWork.set(address, who);
  }

  /** Whatever is sent under this address from now on is refused. */
  ends(address: string): Untold | undefined {
    this.atWork.delete(address);
    const lane = this.lanes.get(address);
    this.lanes.delete(address);
    return lane && untoldOf(address, lane);
  }

  /** One answer for each write, in order. `changed` is told which keys changed. */
  accept({ writes, recall }: ContextBatch, changed: (key: string) => void): readonly WriteAnswer[] {
    return writes.map((numbered) => {
      const lane = this.laneOf(numbered);
      if (lane === undefined) return NOT_AT_WORK;
      const { write } = numbered;
      const number = numbered.number - lane.written;
      if (number > lane.answers.length + 1) return OUT_OF_ORDER;
      if (number === lane.answers.length + 1) {
        lane.before.push(this.book.seen(write.key) ?? null);
        const answer = this.book.write(write, lane.agent);
        lane.answers.push(answer);
        if ('version' in answer) changed(write.key);
      }
      const answer = lane.answers[number - 1] ?? OUT_OF_ORDER;
      if (recall !== true || !('version' in answer)) return answer;
      return { ...answer, before: lane.before[number - 1] ?? null };
    });
  }

  /** What the story does not tell yet, of all lanes; told from now on. */
  untold(): readonly Untold[] {
    if (this.lanes.size === 0) return NONE;
    return [...this.lanes].flatMap(([address, lane]) => untoldOf(address, lane) ?? []);
  }

  private laneOf({ address }: NumberedWrite): Lane | undefined {
    const who = this.atWork.get(address);
    if (who === undefined) return undefined;
    const lane = this.lanes.get(address) ?? { ...who, answers: [], before: [], told: 0 };
    this.lanes.set(address, lane);
    return lane;
  }
}

function untoldOf(address: string, lane: Lane): Untold | undefined {
  const { agent, written, answers, told } = lane;
  if (told === answers.length) return undefined;
  lane.told = answers.length;
  return { address, agent, from: written + told + 1, versions: answers.slice(told).map(versionIn) };
}

export function versionIn(answer: WriteAnswer): number {
  return 'version' in answer ? answer.version : 0;
}
