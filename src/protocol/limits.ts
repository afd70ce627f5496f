/** Limits of ours, checked before Temporal or PostgreSQL meets the value. Units are last in the names. */
export const LIMITS = {
  /** Values up to this size travel in histories and rows; larger ones become blobs. */
  inlineValueBytes: 8 * 1024,
  /** All context writes of one turn together. */
  inlineWritesBytes: 64 * 1024,
  taskBytes: 64 * 1024,
  inputBytes: 256 * 1024,
  blobBytes: 32 * 1024 * 1024,
  /** Lists and objects in each other: what reads values goes down with them. */
  valueDepth: 200,
  agentOutputBytes: 8 * 1024 * 1024,
  /** Of an agent's manifest with its schemas, as the catalogue keeps it. */
  manifestBytes: 256 * 1024,
  agentsPerRun: 500,
  planDepth: 16,
  planBytes: 256 * 1024,
  /** Agent executions that a plan may come to at worst, child runs included: below what one history holds. */
  executionsPerRun: 5_000,
  /** Times that one agent execution may lie down, and one. */
  turnsPerAgentRun: 1_000,
  /** Stored plans that one plan may be made of, whatever the number of their uses. */
  plansPerRun: 100,
  /** Versions of one name. */
  versions: 2_147_483_647,
  /** What a run's result names; its rows and its story have all. */
  degradationsPerRun: 200,
  /** What a workflow that continues as new hands to itself. */
  carriedBytes: 256 * 1024,
  /** Runs inside runs. */
  runDepth: 5,
  optionsPerStep: 50,
  rulesPerRouter: 100,
  adaptiveSteps: 100,
  loopIterations: 100,
  /** What a map has made must fit into `carriedBytes`, each of it as a reference at least. */
  mapItems: 1_000,
  /** What predicates ask of the entries of one list in a blob, together. */
  entryFactsBytes: 128 * 1024,
  timeoutMs: 86_400_000,
  /** Approvals and waits may take a year. */
  waitMs: 366 * 86_400_000,
  descriptionChars: 500,
  instructionChars: 4_000,
  pointerChars: 500,
  predicateDepth: 8,
  predicateParts: 64,
  /** Texts that predicates compare with; of a longer text in a blob only the beginning is known. */
  constantChars: 256,
  constantsPerPredicate: 100,
  /** Pointers into one step's output that predicates of a plan may ask for. */
  factsPerOutput: 32,
  contextKeyChars: 200,
  contextKeys: 2_000,
  /** The keys that one turn sets, together. */
  contextKeysBytes: 256 * 1024,
  /** Keys of one run's shared context. */
  contextKeysPerRun: 10_000,
  /** Keys that a plan says something of. */
  contextRules: 200,
  /** What merges and appends may let a value grow to; what one of them adds travels inline. */
  contextMergedBytes: 64 * 1024,
  /** Context writes of one agent run that leave at once. */
  contextWritesAtOnce: 2_000,
  /** Batches of them that one workflow takes: the server counts 2,000 updates, whoever sends them. */
  contextBatches: 1_900,
  contextWritesPerBatch: 100,
  /** Changes of a key that one page of its history holds. */
  contextHistoryPage: 100,
  idempotencyKeyChars: 255,
  /** Bodies up to this size travel in their batch; agents' larger ones become blobs before they are sent. */
  messageInlineBytes: 1024,
  /** What the bus takes inline from anybody. */
  messageContentBytes: 16 * 1024,
  messageTtlMs: 366 * 86_400_000,
  topicChars: 200,
  topicSegments: 16,
  publisherChars: 200,
  correlationChars: 200,
  capabilityChars: 100,
  /** One signal of an outbox; the windows of all members of a run together stay below what one call takes. */
  batchBytes: 128 * 1024,
  windowBytes: 1_536 * 1024,
  batchItems: 10_000,
  /** What a compressed batch may become. */
  batchUnpackedBytes: 8 * 1024 * 1024,
  /** Batches handed to one routeMessages call: Temporal refuses inputs above 2 MiB. */
  busCallBytes: 1_000_000,
  busCallBatches: 1_000,
  /** What waits when a bus continues as new, for the same reason. */
  busCarriedBytes: 1_500_000,
  /** Temporal refuses the 10,000th signal to one execution. */
  busSignals: 8_000,
  mailboxMessages: 1_000,
  mailboxLimitMost: 100_000,
  subscriptionsPerMember: 100,
  /** What a dead letter keeps of a batch that could not be read. */
  deadLetterBytes: 64 * 1024,
  /** Of what an operator says of a tool call, and of the operator's name. */
  failureChars: 1_000,
  operatorChars: 200,
} as const;

/** What a step does where it says nothing. */
export const DEFAULTS = {
  adaptiveSteps: 10,
  mapItems: 100,
} as const;
