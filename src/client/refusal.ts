import { AppError, type FailureCode, type Problem } from '../protocol/failures';

/** Problems of one kind. */
export interface Faults {
  readonly code: FailureCode;
  readonly problems: readonly Problem[];
}

/** More than anybody corrects in one go. */
const SHOWN = 50;

/** The refusal of everything that is wrong at once, under the code of the first kind that there is. */
export function refusal(kinds: readonly Faults[]): AppError {
  const problems = kinds.flatMap((kind) => kind.problems);
  const code = kinds.find((kind) => kind.problems.length > 0)?.code ?? 'INPUT_INVALID';
  const shown = problems.slice(0, SHOWN);
  const more = problems.length > SHOWN ? `; and ${problems.length - SHOWN} more` : '';
  const text = shown.map(({ path, message, hint }) => `${path} ${message} (${hint})`).join('; ');
  return new AppError(code, `${text}${more}`, { problems: shown });
}

/** Throws where there is any problem. */
export function refuseAny(kinds: readonly Faults[]): void {
  if (kinds.some(({ problems }) => problems.length > 0)) throw refusal(kinds);
}
