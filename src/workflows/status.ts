import { defineSearchAttributeKey, type SearchAttributePair, SearchAttributeType } from '@temporalio/common';
import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { Step } from '../protocol/plan';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes';

const STATUS = 'EnsembleStatus';
const key = defineSearchAttributeKey(STATUS, SearchAttributeType.KEYWORD);

/**
 * Keeps the searchable status up to date of runs that an earlier version started with one. Later runs have none: Temporal's own
 * ExecutionStatus says the same, and changing an attribute costs the server as much as an agent does.
 */
export function showStatus(status: string): void {
  if (workflowInfo().typedSearchAttributes.get(key) !== undefined)
    upsertSearchAttributes([{ key, value: status }]);
}

/** What a child run can be found by: the same as its parent, where that can be found by anything. */
export function childAttributes({ type }: Step): SearchAttributePair[] {
  const changed: Readonly<Record<string, string>> = {
    [SEARCH_ATTRIBUTES.strategy]: type,
    [STATUS]: 'running',
  };
  return workflowInfo()
    .typedSearchAttributes.getAll()
    .map((pair) => {
      const value = changed[pair.key.name];
      return value === undefined ? pair : { key: defineSearchAttributeKey(pair.key.name, 'KEYWORD'), value };
    });
}
