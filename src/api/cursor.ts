import { AppError } from '../protocol/failures';

/** Where a stream goes on. Throws INPUT_INVALID. */
export function cursorOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new AppError(
    'INPUT_INVALID',
    `"${text.slice(0, 40)}" is no event number; give a whole number from 0`,
  );
}
