import { AppError } from '../../../protocol/failures';
import type { Json, JsonObject } from '../../../protocol/json';
import { extendPointer, shortPointer } from './pointer';

/** Longer than any name, version, address or hash npm writes; evidence quotes these strings whole. */
const MAX_STRING_CHARS = 4_096;

/** An object of the file, or an error naming where it should be. */
export function objectAt(value: Json | undefined, pointer: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(pointer, `must be an object, found ${typeName(value)}`);
  }
  return value as JsonObject;
}

/** The object's members, refusing the key that would reach a prototype in code less careful than this. */
export function membersAt(object: JsonObject, pointer: string): readonly (readonly [string, Json])[] {
  const members = Object.entries(object);
  // JSON.parse makes `__proto__` an own member, so it is seen here like any other.
  if (Object.hasOwn(object, '__proto__')) {
    throw invalid(extendPointer(pointer, '__proto__'), 'is not a name npm can install');
  }
  return members;
}

/** A string member; null where it is absent. */
export function stringAt(object: JsonObject, key: string, pointer: string): string | null {
  const value = object[key];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') {
    throw invalid(extendPointer(pointer, key), `must be a string, found ${typeName(value)}`);
  }
  if (value.length > MAX_STRING_CHARS) {
    throw invalid(extendPointer(pointer, key), `is longer than ${MAX_STRING_CHARS} characters`);
  }
  return value === '' ? null : value;
}

/** A map of names to version ranges, such as `dependencies`; empty where it is absent. */
export function rangesAt(
  object: JsonObject,
  key: string,
  pointer: string,
): readonly (readonly [string, string])[] {
  const value = object[key];
  if (value === undefined || value === null) return [];
  const at = extendPointer(pointer, key);
  return membersAt(objectAt(value, at), at).map(([name, range]) => {
    if (typeof range !== 'string') {
      throw invalid(extendPointer(at, name), `must be a version range in a string, found ${typeName(range)}`);
    }
    return [name, range] as const;
  });
}

/** The error for a file that is JSON but not a lock: it names the pointer, so that the line can be found. */
export function invalid(pointer: string, problem: string): AppError {
  return new AppError(
    'INPUT_INVALID',
    `${pointer === '' ? 'the document' : shortPointer(pointer)} ${problem}`,
  );
}

function typeName(value: Json | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}
