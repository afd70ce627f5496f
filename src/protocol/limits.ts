/** Limits of ours, checked before Temporal or PostgreSQL meets the value. Units are last in the names. */
export const LIMITS = {
  /** Values up to this size travel in histories and rows; larger ones become blobs. */
  inlineValueBytes: 8 * 1024,
  taskBytes: 64 * 1024,
  inputBytes: 256 * 1024,
  blobBytes: 32 * 1024 * 1024,
  agentOutputBytes: 8 * 1024 * 1024,
  agentsPerRun: 500,
  planDepth: 16,
  planBytes: 256 * 1024,
  contextKeyChars: 200,
  contextKeys: 2_000,
  idempotencyKeyChars: 255,
} as const;
