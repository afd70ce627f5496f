import { PlainWorker } from './plain-worker';

type Handle = PlainWorker['handleActivation'];

/**
 * A worker to which a reference to external storage is one more payload of unknown encoding.
 *
 * There is no such storage here, and the SDK refuses a reference in any payload or header before a converter is asked:
 * anybody's single signal would fail the workflow task for ever, even one that no handler wants.
 */
export class TolerantWorker extends PlainWorker {
  protected override handleActivation(...args: Parameters<Handle>): ReturnType<Handle> {
    forgetMessageTypes(args[1].activation.jobs);
    return super.handleActivation(...args);
  }
}

/** A payload is a reference by its message type, and no converter of ours wants one. */
function forgetMessageTypes(part: unknown): void {
  if (typeof part !== 'object' || part === null || ArrayBuffer.isView(part)) return;
  if ('metadata' in part && typeof part.metadata === 'object' && part.metadata !== null)
    Reflect.deleteProperty(part.metadata, 'messageType');
  else for (const inner of Object.values(part)) forgetMessageTypes(inner);
}
