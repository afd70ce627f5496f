import { writeFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { context } from './context';
import type { Figure } from './figures';
import { delivery } from './delivery';
import { memory } from './memory';
import { messages } from './messages';
import { models } from './models';
import { overhead } from './overhead';
import { runs } from './runs';
import { streams } from './streams';

const BENCHMARKS = [overhead, runs, messages, delivery, memory, context, models, streams];

/** `npm run bench -- [NAME...] [--json FILE]`: measures each figure beside its reference, in one run. */
export async function main(argv: readonly string[]): Promise<number> {
  const names = BENCHMARKS.map(({ name }) => name);
  const program = new Command('npm run bench --')
    .description('Measures ratios to references taken in the same run')
    .argument('[names...]', `which benchmarks: ${names.join(', ')}; all without a name`)
    .option('--json <file>', 'also write the figures to this file')
    .exitOverride();
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.code === 'commander.helpDisplayed' ? 0 : 2;
    throw error;
  }
  const unknown = program.args.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`No benchmark is called ${unknown.join(', ')}; there are: ${names.join(', ')}\n`);
    return 2;
  }
  const figures: Figure[] = [];
  for (const benchmark of BENCHMARKS)
    if (program.args.length === 0 || program.args.includes(benchmark.name))
      figures.push(...(await benchmark.run((line) => void process.stdout.write(`${line}\n`))));
  for (const { name, ours, reference, ratio, unit, target } of figures)
    process.stdout.write(
      `${name.padEnd(28)} ours ${ours.toFixed(2)}, reference ${reference.toFixed(2)} ${unit}, ratio ${ratio.toFixed(3)} (${target})\n`,
    );
  const { json } = program.opts<{ json?: string }>();
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(figures, undefined, 2)}\n`);
  return 0;
}
