import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type AgentClass, type AgentContext, type AgentTask, BaseAgent } from '../src/agents/base-agent';
import type { AgentManifestInput } from '../src/protocol/agent';
import { names } from './hall';

const SpeakerOptions = z.object({ count: z.number(), to: z.array(z.string()), perSecond: z.number() });
const HearerOptions = z.object({ count: z.number() });

/** What a member heard: messages in all, and those that came twice or before their time. */
export const Heard = z.object({ heard: z.number(), wrong: z.number() });

const PULSES_PER_SECOND = 20;
const SILENCE_MS = 60_000;

const manifestOf = (name: string, input: z.ZodType, output: z.ZodType): AgentManifestInput => ({
  name,
  version: '1.0.0',
  description: 'Chats',
  input,
  output,
});

/** Members who talk with each other for long, at an even pace: `s0`, `s1`, ... say numbers, `r0`, `r1`, ... hear them. */
export function chatters(pairs: number): readonly AgentClass[] {
  return [...names('s', pairs).map(speaker), ...names('r', pairs).map(hearer)];
}

function speaker(name: string): AgentClass {
  return class extends BaseAgent<number> {
    static readonly manifest = manifestOf(name, SpeakerOptions, z.number());

    async execute({ options }: AgentTask, { bus, signal }: AgentContext): Promise<number> {
      const { count, to, perSecond } = SpeakerOptions.parse(options);
      const since = performance.now();
      let said = 0;
      while (said < count) {
        const due = Math.min(count, Math.ceil(((performance.now() - since) / 1_000) * perSecond));
        const sending: Promise<unknown>[] = [sleep(1_000 / PULSES_PER_SECOND, undefined, { signal })];
        for (; said < due; said += 1) sending.push(bus.send(to[said % to.length] ?? '', said));
        await Promise.all(sending);
      }
      return said;
    }
  };
}

function hearer(name: string): AgentClass {
  return class extends BaseAgent<z.infer<typeof Heard>> {
    static readonly manifest = manifestOf(name, HearerOptions, Heard);

    async execute({ options }: AgentTask, { bus }: AgentContext): Promise<z.infer<typeof Heard>> {
      const { count } = HearerOptions.parse(options);
      const last = new Map<string, number>();
      let [heard, wrong] = [0, 0];
      while (heard < count) {
        const messages = await bus.receiveMany(1_000, { timeoutMs: SILENCE_MS });
        if (messages.length === 0) break;
        for (const { from, content } of messages) {
          if (!(Number(content) > (last.get(from) ?? -1))) wrong += 1;
          last.set(from, Number(content));
        }
        heard += messages.length;
        await bus.commit();
      }
      return { heard, wrong };
    }
  };
}
