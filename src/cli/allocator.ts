/**
 * How glibc's allocator is set where workers run (docs/deploy.md). It keeps a heap for nearly every thread, and takes
 * ever larger blocks from them instead of from the system once it has seen some freed: the heaps grow by their holes for hours.
 */
export const ALLOCATOR = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
} as const;
