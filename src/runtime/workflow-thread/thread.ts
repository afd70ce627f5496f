import { promiseHooks } from 'node:v8';
import { globalHandlers } from '@temporalio/worker/lib/workflow/vm-shared';
import { callStackHooks } from './call-stacks';
import { markSilentAnswers } from './sink-calls';

/** What the SDK keeps to itself of how it comes by call stacks. */
interface CallStacks {
  setPromiseHook(): void;
  stopPromiseHook: () => void;
  promiseHookInstalled: boolean;
}

// Not by replacing `createHook`: async_hooks makes its own with it, and workflow code would lose its cancellation scopes.
const callStacks = globalHandlers as unknown as CallStacks;
callStacks.setPromiseHook = () => {
  callStacks.stopPromiseHook = promiseHooks.createHook(callStackHooks()) as () => void;
  callStacks.promiseHookInstalled = true;
};

markSilentAnswers();

require('@temporalio/worker/lib/workflow/workflow-worker-thread');
