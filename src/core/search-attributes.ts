/** What runs can be searched by in the Web UI, where the server knows these keywords. Values are opaque ids and closed words. */
export const SEARCH_ATTRIBUTES = {
  tenant: 'EnsembleTenant',
  project: 'EnsembleProject',
  strategy: 'EnsembleStrategy',
} as const;
