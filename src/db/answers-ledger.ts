import { z } from 'zod';
import { Value } from '../protocol/json';
import type { ImmediateWrite } from '../protocol/context';
import { StoredFailure, StoredWrite } from './answers';

const known = { result: Value.nullable(), failure: StoredFailure.nullable() };
const fenced = z.object({ outcome: z.literal('fenced') });

export const BeginToolCallAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('begun') }),
  z.object({ outcome: z.literal('known'), ...known }),
  z.object({ outcome: z.literal('open'), attempt: z.number() }),
  fenced,
]);

export const EndToolCallAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('ended') }),
  z.object({ outcome: z.literal('already'), ...known }),
  fenced,
]);

export const DoubtToolCallAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('unknown') }),
  z.object({ outcome: z.literal('known'), ...known }),
  fenced,
]);

export const ResolveToolCallAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.enum(['resolved', 'call-unknown']) }),
  z.object({ outcome: z.literal('run-unknown') }),
  z.object({ outcome: z.literal('already'), ...known }),
  z.object({ outcome: z.literal('under-way'), attempt: z.number() }),
]);

export const AppendJournalAnswer = z.object({ outcome: z.enum(['appended', 'already', 'fenced']) });

export const RecordModelCallAnswer = z.object({ outcome: z.enum(['recorded', 'already', 'run-unknown']) });

export const AppendTokensAnswer = z.object({ outcome: z.literal('appended'), count: z.number() });

export const StoredImmediateWrite: z.ZodType<ImmediateWrite> = z.union([
  StoredWrite,
  z.object({ op: z.literal('compare-and-set'), key: z.string(), version: z.number(), value: Value }),
]);

export const AppendContextAnswer = z.object({ outcome: z.enum(['appended', 'already', 'fenced']) });
