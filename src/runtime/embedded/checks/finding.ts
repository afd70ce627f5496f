/** What one check of the machine found, and what to do about it. */
export interface Finding {
  readonly status: 'ok' | 'warn' | 'FAIL';
  readonly name: string;
  readonly what: string;
  readonly todo?: string;
}

/** A finding as one line. */
export function lineOf({ status, name, what, todo }: Finding): string {
  return `${status.padEnd(5)}${name}: ${what}${todo === undefined ? '' : `; ${todo}`}`;
}
