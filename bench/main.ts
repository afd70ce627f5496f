import { writeFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { reportFailure } from '../src/cli/report-failure';
import { readEnvironment } from '../src/config';
import { AppError } from '../src/protocol/failures';
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

const NAMES = BENCHMARKS.map(({ name }) => name);
const ANYWHERE = BENCHMARKS.filter(({ anywhere }) => anywhere).map(({ name }) => name);

interface Asked {
  readonly names: readonly string[];
  readonly json?: string;
  readonly onYourServers?: true;
}

/** `npm run bench -- [NAME...] [--on-your-servers] [--json FILE]`: measures each figure beside its reference, in one run. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const asked = read(argv);
    if (typeof asked === 'number') return asked;
    const figures = await measure(asked);
    for (const { name, ours, reference, ratio, unit, target } of figures)
      process.stdout.write(
        `${name.padEnd(28)} ours ${ours.toFixed(2)}, reference ${reference.toFixed(2)} ${unit}, ratio ${ratio.toFixed(3)} (${target})\n`,
      );
    if (asked.json !== undefined) writeFileSync(asked.json, `${JSON.stringify(figures, undefined, 2)}\n`);
    return 0;
  } catch (error) {
    if (!AppError.is(error)) throw error;
    return reportFailure(error).exit;
  }
}

/** What is asked for, or the exit code where that is clear already. */
function read(argv: readonly string[]): Asked | number {
  const program = new Command('npm run bench --')
    .description('Measures ratios to references taken in the same run')
    .argument('[names...]', `which benchmarks: ${NAMES.join(', ')}; all without a name`)
    .option('--json <file>', 'also write the figures to this file')
    .option(
      '--on-your-servers',
      `on those that TEMPORAL_ADDRESS, DATABASE_URL and DATABASE_ADMIN_URL name, instead of fresh ones; the database is migrated, and keeps the runs (${ANYWHERE.join(', ')})`,
    )
    .exitOverride();
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.code === 'commander.helpDisplayed' ? 0 : 2;
    throw error;
  }
  const options = program.opts<Omit<Asked, 'names'>>();
  const able = options.onYourServers ? ANYWHERE : NAMES;
  const names = program.args.length === 0 ? able : program.args;
  const unknown = names.filter((name) => !able.includes(name));
  if (unknown.length === 0) return { ...options, names };
  const there = `there are: ${able.join(', ')}`;
  process.stderr.write(
    options.onYourServers
      ? `${unknown.join(', ')} cannot be measured on your servers; ${there}\n`
      : `No benchmark is called ${unknown.join(', ')}; ${there}\n`,
  );
  return 2;
}

async function measure({ names, onYourServers }: Asked): Promise<readonly Figure[]> {
  const given = onYourServers ? readEnvironment() : undefined;
  const figures: Figure[] = [];
  for (const benchmark of BENCHMARKS)
    if (names.includes(benchmark.name))
      figures.push(...(await benchmark.run((line) => void process.stdout.write(`${line}\n`), given)));
  return figures;
}
