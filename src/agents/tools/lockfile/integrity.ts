const DIGEST_BYTES: Readonly<Record<string, number>> = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha384: 48,
  sha512: 64,
};
const STRONG = new Set(['sha256', 'sha384', 'sha512']);

/** An integrity string, taken apart. */
export interface Integrity {
  /** Digests by algorithm, in base64. */
  readonly digests: ReadonlyMap<string, ReadonlySet<string>>;
  /** True where a hash an attacker cannot forge today is among them. */
  readonly strong: boolean;
  readonly malformed: boolean;
}

/** Reads a Subresource Integrity string. */
export function readIntegrity(text: string): Integrity {
  const digests = new Map<string, Set<string>>();
  let malformed = false;
  for (const hash of text.trim().split(/\s+/)) {
    const [, algorithm = '', digest = ''] = /^([a-z0-9]+)-([A-Za-z0-9+/]+={0,2})(?:\?.*)?$/.exec(hash) ?? [];
    if (Buffer.from(digest, 'base64').byteLength !== DIGEST_BYTES[algorithm]) {
      malformed = true;
      continue;
    }
    digests.set(algorithm, (digests.get(algorithm) ?? new Set()).add(digest));
  }
  return { digests, strong: [...digests.keys()].some((name) => STRONG.has(name)), malformed };
}

/**
 * What two integrity strings of one version say about its bytes: `different` only where the same algorithm
 * contradicts itself; hashes of different algorithms cannot be compared.
 */
export function compareIntegrity(before: string, after: string): 'same' | 'different' | 'incomparable' {
  const old = readIntegrity(before).digests;
  let compared = false;
  for (const [algorithm, digests] of readIntegrity(after).digests) {
    const known = old.get(algorithm);
    if (known === undefined) continue;
    compared = true;
    if (![...digests].some((digest) => known.has(digest))) return 'different';
  }
  return compared ? 'same' : 'incomparable';
}
