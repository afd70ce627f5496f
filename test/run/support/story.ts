import type { RunEvent } from '../../../src/protocol/event';
import type { EnsembleClient } from '../../../src/client/ensemble-client';
import { textOf } from '../../../src/core/text';

/** A run's whole story; the run is over, or ends while it is read. */
export async function storyOf(client: EnsembleClient, runId: string): Promise<RunEvent[]> {
  const story: RunEvent[] = [];
  for await (const event of client.events(runId)) story.push(event);
  return story;
}

/** The decisions in it, in words: `address kind chosen`. */
export function decisionsOf(story: readonly RunEvent[]): string[] {
  return story
    .filter(({ type }) => type === 'step.decided')
    .map(
      ({ address, data }) => `${address} ${textOf(data['kind'] ?? null)} ${textOf(data['chosen'] ?? null)}`,
    );
}
