'use strict';
// A service that embeds the client: starts a run, follows it, prints its result. DATABASE_URL and TEMPORAL_ADDRESS are set.
const { createClient } = require('ensemble');

async function main(task, agent) {
  const ensemble = await createClient();
  try {
    const plan = { strategy: 'sequential', agents: [agent] };
    const { runId } = await ensemble.start({ task, plan, idempotencyKey: `example-${task}` });
    for await (const event of ensemble.events(runId)) console.error(event.seq, event.type, event.agent ?? '');
    const { status, output } = await ensemble.result(runId);
    console.log(JSON.stringify({ status, output }));
  } finally {
    await ensemble[Symbol.asyncDispose]();
  }
}

void main(process.argv[2] ?? 'Say something', process.argv[3] ?? 'react');
