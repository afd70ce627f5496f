import type { TokenKind, TokenTool } from '../protocol/token';
import type { NewTokenChunk } from '../db/repositories/tokens';
import type { ModelChunk } from '../llm/port';

/** Whose stream it is. */
export interface TokenSource {
  readonly tenantId: string;
  readonly runId: string;
  readonly agentRunId: string;
  readonly attempt: number;
}

/** Told when there is something to send, and asked to hurry. */
export interface TokenSink {
  wants(writer: TokenWriter): void;
  hurry(): void;
}

/** A piece that grows until it is sent. */
interface Draft {
  readonly call: number;
  readonly kind: TokenKind;
  readonly tool: TokenTool | null;
  text: string;
}

/** Characters that one agent may have waiting; where the database takes them slower than that, its model waits. */
const MOST_WAITING_CHARS = 64 * 1024;
/** How long a turn's end waits for what is left: an observer's view must not hold up a result. */
const FLUSH_MS = 2_000;
const HIGH_SURROGATE = /[\ud800-\udbff]$/;
/** What PostgreSQL cannot keep: null characters, and halves of surrogate pairs. */
const UNSTORABLE = /[\0\p{Surrogate}]/gu;

type Delta = Exclude<ModelChunk, { readonly type: 'end' }>;

/** What one attempt streams, gathered until the process's next batch. */
export class TokenWriter {
  private drafts: Draft[] = [];
  private waitingChars = 0;
  private calls = 0;
  private ordinal = 0;
  private sending = false;
  private waiters: (() => void)[] = [];

  constructor(
    readonly source: TokenSource,
    private readonly sink: TokenSink,
  ) {}

  /** One streamed call. The first of a later attempt says that what earlier ones streamed is void. */
  stream() {
    this.calls += 1;
    const call = this.calls;
    if (call === 1 && this.source.attempt > 1) this.add({ call: 0, kind: 'reset', tool: null, text: '' });
    let half = '';
    let said = false;
    return {
      /** Resolves at once, but where the database cannot keep up. */
      push: async (delta: Delta): Promise<void> => {
        said = true;
        const { text, tool } = contentOf(delta);
        // A pair that came in two deltas would be stored as two halves, which is to say not at all.
        const whole = half + text;
        half = HIGH_SURROGATE.exec(whole)?.[0] ?? '';
        this.add({ call, kind: delta.type, tool, text: whole.slice(0, whole.length - half.length) });
        if (this.waitingChars > MOST_WAITING_CHARS) await this.drained();
      },
      end: () => this.add({ call, kind: 'end', tool: null, text: '' }),
      /** The call broke off: what it streamed is void. */
      reset: () => {
        if (said) this.add({ call, kind: 'reset', tool: null, text: '' });
      },
    };
  }

  /** Takes what has gathered, as rows; `sent` says that they are stored, or given up. */
  take(): readonly NewTokenChunk[] {
    const { runId, agentRunId, attempt } = this.source;
    const chunks = this.drafts.map(({ text, ...draft }) => {
      this.ordinal += 1;
      return { ...draft, runId, agentRunId, attempt, ordinal: this.ordinal, text: kept(text) };
    });
    this.drafts = [];
    this.sending = true;
    return chunks;
  }

  sent(): void {
    this.sending = false;
    this.waitingChars = this.drafts.reduce((sum, { text }) => sum + text.length, 0);
    if (this.drafts.length > 0) return;
    for (const resolve of this.waiters.splice(0)) resolve();
  }

  /** Resolves when everything is stored, or after two seconds. */
  async flush(): Promise<void> {
    if (this.drafts.length === 0 && !this.sending) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, FLUSH_MS)));
    this.sink.hurry();
    await Promise.race([this.drained(), late]);
    clearTimeout(timer);
  }

  private drained(): Promise<void> {
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  private add(draft: Draft): void {
    const last = this.drafts.at(-1);
    this.waitingChars += draft.text.length;
    if (last?.call === draft.call && last.kind === draft.kind && last.tool?.id === draft.tool?.id)
      last.text += draft.text;
    else this.drafts.push(draft);
    this.sink.wants(this);
  }
}

function contentOf(delta: Delta): { readonly text: string; readonly tool: TokenTool | null } {
  if (delta.type !== 'tool-call') return { text: delta.text, tool: null };
  const { id, name, argumentsDelta } = delta;
  return { text: argumentsDelta, tool: { id: kept(id), name: kept(name) } };
}

function kept(text: string): string {
  return text.replaceAll(UNSTORABLE, '\ufffd');
}
