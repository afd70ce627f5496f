import { GateBench } from './support/gate-run';
import { bigLock } from './support/big-lock';
import { LagMeter } from './support/lag-meter';
import { Footprint } from '../../src/agents/dependency-gate/footprint';
import { Inventory } from '../../src/agents/dependency-gate/inventory';
import { Licence } from '../../src/agents/dependency-gate/licence';
import { Policy } from '../../src/agents/dependency-gate/policy';
import { Provenance } from '../../src/agents/dependency-gate/provenance';
import { ReportWriter } from '../../src/agents/dependency-gate/report-writer';

// Generous: the machine that runs the tests runs two servers beside them. Measured alone: about 11 s and 0.5 s.
const MAX_MS = 60_000;
const MAX_LAG_MS = 4_000;
const PACKAGES = 60_000;

test('a lock of 25 MB is judged in seconds, and the event loop goes on turning', async () => {
  const head = bigLock(PACKAGES, 700);
  expect(head.byteLength).toBeGreaterThan(25_000_000);
  const bench = new GateBench({ head, base: bigLock(PACKAGES) });
  bench.model.answers('See below.');
  using lag = new LagMeter();
  const started = performance.now();
  const inventory = await bench.finding(new Inventory(), 'inventory');
  await Promise.all([
    bench.finding(new Licence(), 'licence'),
    bench.finding(new Provenance(), 'provenance'),
    bench.finding(new Footprint(), 'footprint'),
  ]);
  const { struck, checked } = await bench.verify();
  const policy = await bench.turn(new Policy(), 'policy');
  const report = await bench.turn(new ReportWriter(), 'report-writer');
  expect(performance.now() - started).toBeLessThan(MAX_MS);
  expect(lag.maxMs).toBeLessThan(MAX_LAG_MS);
  expect(inventory.counts).toEqual({ added: 0, changed: 700, moved: 0, removed: 0 });
  expect([struck, checked]).toEqual([[], policy.decisions.length]);
  expect(policy).toMatchObject({ verdict: 'block', omitted: 0 });
  expect(report.markdown).toContain('| Packages | 60000 | 60000 |');
}, 180_000);

test('a lock in which everything is new lists what it can, and counts the rest', async () => {
  const bench = new GateBench({ head: bigLock(20_000) });
  const inventory = await bench.finding(new Inventory(), 'inventory');
  expect(inventory).toMatchObject({ counts: { added: 20_000 }, omitted: 15_000 });
  expect(inventory.changes).toHaveLength(5_000);
  const licence = await bench.finding(new Licence(), 'licence');
  expect(licence.findings).toHaveLength(1_000);
  expect(licence.omitted).toBe((licence.counts.high ?? 0) - 1_000);
  expect(JSON.stringify(inventory).length).toBeLessThan(8 * 1024 * 1024);
}, 60_000);
