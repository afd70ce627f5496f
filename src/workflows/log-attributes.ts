import type { WorkflowInterceptors } from '@temporalio/workflow';
import type { RunWorkflowInput } from '../protocol/run';

/** Puts the tenant into every log line of a run's workflow; the run's id is its workflow id. */
export function interceptors(): WorkflowInterceptors {
  let tenant: unknown;
  return {
    inbound: [
      {
        execute: (input, next) => {
          // Whatever started the workflow may have passed anything.
          tenant = (input.args[0] as Partial<RunWorkflowInput> | null | undefined)?.tenantId;
          return next(input);
        },
      },
    ],
    outbound: [
      {
        getLogAttributes: (input, next) => next({ ...input, ...(typeof tenant === 'string' && { tenant }) }),
      },
    ],
  };
}
