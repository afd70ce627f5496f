import { type LongWait, type Rests, staysFor } from '../../agents/long-wait';
import type { ReceiveOptions } from '../../agents/message-bus';
import { sendersIn } from '../../core/bus/wanted';
import { canonical } from '../../core/context/merges';
import { AppError } from '../../protocol/failures';
import type { Json } from '../../protocol/json';
import { LIMITS } from '../../protocol/limits';
import type { Message } from '../../protocol/message';
import type { WaitKey, WokenBy } from '../../protocol/rest';
import type { MailboxReader } from './mailbox-reader';

interface Deps {
  readonly rests?: Rests | undefined;
  /** Aborted when the attempt is to stop. */
  readonly signal?: AbortSignal | undefined;
}

/** What is said of a wait for the case that the agent lies down in it. */
interface Lying {
  readonly wait: WaitKey;
  readonly untilMs: number;
  readonly from: readonly string[] | undefined;
  readonly wokenBy: WokenBy;
}

/** How one attempt waits for its mailbox: at its slot, and where the agent says where to go on, lying down. */
export class MailboxWaits {
  constructor(
    private readonly deps: Deps,
    private readonly reader: () => MailboxReader,
  ) {}

  async receive(most: number, options: ReceiveOptions): Promise<readonly Message[]> {
    const { filter, wokenBy = 'members' } = options;
    if (options.checkpoint === undefined) return this.reader().receiveMany(most, this.bounded(options));
    const key = canonical({ receive: filter ?? null } as Json);
    const { untilMs } = this.begin(key, options);
    return this.wait(most, options, { wait: { key }, untilMs, from: sendersIn(filter), wokenBy });
  }

  /** Begins a wait, or goes on with the one that the turn before lay down in. */
  begin(key: string, { timeoutMs, checkpoint }: ReceiveOptions): LongWait {
    const { rests } = this.deps;
    if (rests === undefined || checkpoint === undefined) return { untilMs: Date.now() + timeoutMs };
    return rests.begin(key, timeoutMs);
  }

  /** Nothing where nothing came in time. Does not come back where the agent lies down. */
  async wait(most: number, options: ReceiveOptions, lying: Lying): Promise<readonly Message[]> {
    const { untilMs, wait, from, wokenBy } = lying;
    const { checkpoint, filter } = options;
    const { rests } = this.deps;
    const bounded = this.bounded(options);
    const leftMs = Math.max(0, untilMs - Date.now());
    const staysMs = rests === undefined ? leftMs : staysFor(options, leftMs);
    const messages = await this.reader().receiveMany(most, { ...bounded, timeoutMs: staysMs });
    if (messages.length > 0 || checkpoint === undefined || rests === undefined || staysMs === leftMs)
      return messages;
    return rests.lieDown({
      checkpoint,
      untilMs,
      waitsFor: { for: 'message', from },
      wokenBy,
      wait,
      filter,
    });
  }

  private bounded({ filter, timeoutMs, signal, checkpoint }: ReceiveOptions): ReceiveOptions {
    const most = checkpoint === undefined ? LIMITS.timeoutMs : LIMITS.waitMs;
    if (!(timeoutMs >= 0 && timeoutMs <= most))
      throw new AppError('INPUT_INVALID', `timeoutMs must be a number from 0 to ${most}`);
    return { filter, timeoutMs, signal: either(signal, this.deps.signal) };
  }
}

/** Aborted with any of them; undefined where there is none. */
export function either(...given: readonly (AbortSignal | undefined)[]): AbortSignal | undefined {
  const signals = given.filter((one) => one !== undefined);
  return signals.length < 2 ? signals[0] : AbortSignal.any(signals);
}
