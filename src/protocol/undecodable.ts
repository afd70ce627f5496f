/** What a payload becomes that nobody can read: a value like any other, to be refused by whoever wanted a real one. */
export interface Undecodable {
  /** One line, never a part of the content. */
  readonly undecodable: string;
}

export function isUndecodable(value: unknown): value is Undecodable {
  return (
    typeof value === 'object' &&
    value !== null &&
    'undecodable' in value &&
    typeof value.undecodable === 'string' &&
    Object.keys(value).length === 1
  );
}
