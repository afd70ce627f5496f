import { z } from 'zod';
import { BusSettings } from '../protocol/message';
import { RUN_STATUSES } from '../protocol/run';

const count = z.number();

/** How a bus stands, as `open_bus` answers. Predicates were checked before they were stored. */
export const OpenBusAnswer = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('open'),
    final: z.boolean(),
    nowMs: count,
    lastSeq: count,
    lastBatch: count,
    settings: BusSettings,
    members: z.array(
      z.object({ name: z.string(), agentType: z.string(), capabilities: z.array(z.string()) }),
    ),
    publishers: z.array(
      z.object({
        publisher: z.string(),
        lane: z.string(),
        sender: z.string(),
        last: count,
        turn: count,
        attempt: count,
        turn_from: count,
      }),
    ),
    agentRuns: z.array(
      z.object({
        id: z.string(),
        agent: z.string(),
        status: z.string(),
        attempt: count,
        tokenHash: z.string().nullable(),
      }),
    ),
    subscriptions: z.array(
      z.object({ member: z.string(), topic: z.string().nullable(), where: z.unknown() }),
    ),
    /** Given where messages are routed. */
    waits: z
      .array(
        z.object({
          address: z.string(),
          wanted: z.unknown(),
          member: z.string().nullable(),
          found: count.nullable(),
        }),
      )
      .optional(),
    pending: z.record(z.string(), count),
    busy: z.record(z.string(), count),
  }),
  z.object({ outcome: z.literal('run-unknown') }),
]);

export const ConsumeAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('consumed'), count, freed: z.boolean() }),
  z.object({ outcome: z.literal('fenced') }),
]);

export const RedriveAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('redriven'), count }),
  z.object({ outcome: z.literal('run-final'), status: z.enum(RUN_STATUSES) }),
  z.object({ outcome: z.literal('run-unknown') }),
]);
