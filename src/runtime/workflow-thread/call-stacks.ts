import type { HookCallbacks } from 'node:v8';
import { cutoffStackTrace } from '@temporalio/common';
import { globalHandlers } from '@temporalio/worker/lib/workflow/vm-shared';
import type { Activator } from '@temporalio/workflow/lib/internals';

type Store = Activator['promiseStackStore'];
type StackTrace = NonNullable<ReturnType<Store['promiseToStack']['get']>>;

const NO_PARENT: Set<never> = new Set();

/** What a sandbox has of its own. */
interface Realm {
  readonly Error: ErrorConstructor;
  /** Undefined outside of workflow code. */
  activator(): Activator | undefined;
}

/**
 * Keeps what the queries for call stacks need: where each promise was made that is not settled yet, and on whose behalf.
 *
 * The SDK's own hooks put every stack into words at once, each frame looked up in the source map, and compile three functions to find
 * out which workflow a promise is of: 0.3 ms of the 1.0 that a workflow task of one activity takes in its thread (measured). Here
 * a stack is put into words when somebody asks for it.
 */
export function callStackHooks(): Partial<HookCallbacks> {
  const realms = new WeakMap<object, Realm>();
  const realmOf = (promise: object): Realm => {
    const known = realms.get(promise.constructor);
    if (known !== undefined) return known;
    const realm = realmBy(promise.constructor.constructor as FunctionConstructor);
    realms.set(promise.constructor, realm);
    return realm;
  };
  return {
    init: (promise, parent) => {
      const realm = realmOf(promise);
      const store = realm.activator()?.promiseStackStore;
      // That a promise is its own parent happens.
      if (store === undefined || promise === parent) return;
      store.promiseToStack.set(promise, new CallStack(new realm.Error()));
      store.childToParent.set(promise, parent === undefined ? NO_PARENT : new Set([parent]));
    },
    settled: (promise) => {
      const store = realmOf(promise).activator()?.promiseStackStore;
      store?.childToParent.delete(promise);
      store?.promiseToStack.delete(promise);
    },
  };
}

/** By its function constructor, the only way into a sandbox that leads from any of its promises. */
function realmBy(compile: FunctionConstructor): Realm {
  return {
    Error: compile('return globalThis.Error')() as ErrorConstructor,
    activator: compile('return globalThis.__TEMPORAL_ACTIVATOR__') as Realm['activator'],
  };
}

/** Frames of the hook itself. */
const HOOK = /^[^\n]*\n\s*at [^\n]+\n(\s*at initAll \(node:internal\/promise_hooks:\d+:\d+\)\n)?/;

/** Where a promise was made. */
class CallStack implements StackTrace {
  private words: StackTrace | undefined;

  constructor(private readonly made: Error) {}

  get formatted(): string {
    return this.inWords().formatted;
  }

  get structured(): StackTrace['structured'] {
    return this.inWords().structured;
  }

  private inWords(): StackTrace {
    return (this.words ??= wordsOf(this.made));
  }
}

function wordsOf(made: Error): StackTrace {
  // Reading it has the SDK look up its frames, which it then leaves there.
  globalHandlers.currentStackTrace = undefined;
  const stack = made.stack ?? '';
  const frames = globalHandlers.currentStackTrace ?? [];
  const [hook = ''] = HOOK.exec(stack) ?? [];
  const formatted = cutoffStackTrace(stack.slice(hook.length));
  const first = linesOf(hook) - 1;
  return { formatted, structured: frames.slice(first, first + linesOf(formatted)) };
}

function linesOf(text: string): number {
  return text === '' ? 0 : text.trimEnd().split('\n').length;
}
