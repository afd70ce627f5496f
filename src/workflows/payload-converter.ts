import {
  defaultPayloadConverter,
  type ConverterHint,
  type Payload,
  type PayloadConverter,
  type SerializationContext,
} from '@temporalio/common';
import type { Undecodable } from '../protocol/undecodable';

const ENCODING_CHARS = 60;

/**
 * The SDK's own converter, but what it cannot read becomes a value instead of an error: thrown before any handler runs,
 * the error would fail the workflow task, and that for ever. Loaded by path, in the sandbox and outside of it.
 */
export const payloadConverter: PayloadConverter = {
  toPayload: (value, context, hint) => defaultPayloadConverter.toPayload(value, context, hint),
  fromPayload<T>(payload: Payload, context?: SerializationContext, hint?: ConverterHint<T>): T {
    try {
      return defaultPayloadConverter.fromPayload<T>(payload, context, hint);
    } catch {
      const instead: Undecodable = { undecodable: reasonOf(payload) };
      return instead as T;
    }
  },
};

/** Worded here: the error's own words quote the content, and differ between versions of the engine. */
function reasonOf(payload: Payload | null): string {
  const encoding = payload?.metadata?.['encoding'];
  if (encoding === undefined || encoding === null) return 'the payload does not say how it is encoded';
  const name = new TextDecoder().decode(encoding);
  if (name === 'json/plain') return 'the payload is not valid JSON';
  return `unknown encoding ${JSON.stringify(name.slice(0, ENCODING_CHARS))}`;
}
