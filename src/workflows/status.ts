import { defineSearchAttributeKey, type SearchAttributePair, SearchAttributeType } from '@temporalio/common';
import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { Step } from '../protocol/plan';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes';

const key = defineSearchAttributeKey(SEARCH_ATTRIBUTES.status, SearchAttributeType.KEYWORD);

/** Keeps the searchable status up to date, where the start could set it: an unregistered attribute fails the task for ever. */
export function showStatus(status: string): void {
  if (workflowInfo().typedSearchAttributes.get(key) !== undefined)
    upsertSearchAttributes([{ key, value: status }]);
}

/** What a child run can be found by: the same as its parent, where that can be found by anything. */
export function childAttributes({ type }: Step): SearchAttributePair[] {
  const changed: Readonly<Record<string, string>> = {
    [SEARCH_ATTRIBUTES.strategy]: type,
    [SEARCH_ATTRIBUTES.status]: 'running',
  };
  return workflowInfo()
    .typedSearchAttributes.getAll()
    .map((pair) => {
      const value = changed[pair.key.name];
      return value === undefined ? pair : { key: defineSearchAttributeKey(pair.key.name, 'KEYWORD'), value };
    });
}
