import { answers, shapes } from './conformance/answers';
import { aborts, accounts } from './conformance/bounds';
import type { ConformanceOptions, Run, Subject } from './conformance/subject';
import { tools } from './conformance/tools';

export type { ConformanceOptions, Subject } from './conformance/subject';

/** Runs the suite every provider must pass; what one cannot do is listed by the caller, with its reason. */
export function conformsToModelProvider(
  name: string,
  subject: () => Subject,
  { skip = [] }: ConformanceOptions = {},
): void {
  const reasons = new Map(skip.flatMap(({ reason, cases }) => cases.map((one) => [one, reason] as const)));
  const run: Run = (title, body) => {
    const reason = reasons.get(title);
    if (reason === undefined) test(title, () => body(subject()));
    else test.skip(`${title} (skipped: ${reason})`, () => undefined);
  };
  describe(`${name} is a ModelProvider`, () => {
    answers(run);
    shapes(run);
    tools(run);
    accounts(run);
    aborts(run);
  });
}
