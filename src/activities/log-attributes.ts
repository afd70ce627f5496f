import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { ExecuteAgentInput } from '../protocol/run';

/** Puts run, agent and tenant into every log line of an activity, the SDK's own included. */
export const logAttributes: ActivityInterceptorsFactory = () => {
  let fields: Record<string, unknown> = {};
  return {
    inbound: {
      execute: (input, next) => {
        const given = input.args[0] as Partial<ExecuteAgentInput> | null | undefined;
        fields = { runId: given?.runId, agent: given?.agent?.name, tenant: given?.tenantId };
        return next(input);
      },
    },
    outbound: { getLogAttributes: (input, next) => next({ ...input, ...fields }) },
  };
};
