import { z } from 'zod';
import { AppError } from '../../../protocol/failures';
import type { JsonObject } from '../../../protocol/json';
import { defineTool } from '../tool';

const DAY_MS = 86_400_000;
const MOST_DAYS = 1_000_000;

const Arguments = z.strictObject({
  date: z.iso.date().optional().describe('The day to start from; today where it is left out'),
  addDays: z.int().min(-MOST_DAYS).max(MOST_DAYS).optional().describe('Days to add, negative to go back'),
  until: z.iso.date().optional().describe('A day to count the days to'),
});

/** Knows the day, which models do not, and counts days, which they do badly. */
export const date = defineTool({
  name: 'date',
  description:
    "Tells today's date, weekday and time in UTC, adds days to a date, or counts the days between two dates",
  arguments: Arguments,
  run: (given) => dateFacts(given, new Date()),
});

/** What is to be said of a day. Throws INPUT_INVALID where the calendar has no such day. */
export function dateFacts(
  { date: given, addDays = 0, until }: z.output<typeof Arguments>,
  now: Date,
): JsonObject {
  const today = dayOf(now);
  const start = given ?? today;
  const shifted = new Date(Date.parse(start) + addDays * DAY_MS);
  if (Number.isNaN(shifted.getTime()))
    throw new AppError('INPUT_INVALID', `there is no day ${start} plus ${addDays} days`);
  const day = dayOf(shifted);
  return {
    date: day,
    weekday: shifted.toLocaleDateString('en-GB', { weekday: 'long', timeZone: 'UTC' }),
    ...(given === undefined && addDays === 0 ? { time: `${now.toISOString().slice(11, 19)} UTC` } : {}),
    ...(until === undefined
      ? {}
      : { until, days: Math.round((Date.parse(until) - Date.parse(day)) / DAY_MS) }),
  };
}

function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}
