import { Command, CommanderError, Option } from 'commander';
import { AppError } from '../protocol/failures';
import { STRATEGIES, type StrategyName } from '../protocol/plan';

/** What `npm start -- ...` was asked for. */
export interface StartOptions {
  readonly once: boolean;
  readonly json: boolean;
  readonly input?: string;
  readonly base?: string;
  readonly task?: string;
  readonly agents?: readonly string[];
  readonly strategy?: StrategyName;
}

/** Help was asked for and printed; there is nothing else to do. */
export const HELP_SHOWN = 'help-shown';

function command(): Command {
  return new Command('npm start --')
    .description(
      'Starts Temporal, PostgreSQL and a worker, runs one job, shows it live, and stays up until Ctrl-C.\n' +
        'Without options the job is the dependency gate: may the last change of package-lock.json be merged?',
    )
    .option('--input <file>', 'the changed package-lock.json to judge')
    .option(
      '--base <file>',
      'the package-lock.json it is compared with (default: its previous version in git)',
    )
    .option('--task <text>', 'run this task instead of the dependency gate')
    .option('--agents <names>', 'agents that work on the task, separated by commas (default: react)')
    .addOption(
      new Option('--strategy <name>', 'how the agents work on the task (default: sequential)').choices(
        STRATEGIES,
      ),
    )
    .option('--once', 'exit after the result instead of staying up', false)
    .option('--json', 'print one JSON document as the last line of standard output', false)
    .helpOption('-h, --help', 'show this help')
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
}

/** Reads the options. Throws INPUT_INVALID with one line that names the option and the way out. */
export function parseStartOptions(argv: readonly string[]): StartOptions | typeof HELP_SHOWN {
  const program = command();
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return HELP_SHOWN;
    throw new AppError('INPUT_INVALID', `${error.message.replace(/^error: /, '')} (see npm start -- --help)`);
  }
  if (program.args.length > 0)
    throw new AppError('INPUT_INVALID', `unexpected argument "${program.args[0]}" (see npm start -- --help)`);
  const { agents, ...options } = program.opts<Omit<StartOptions, 'agents'> & { agents?: string }>();
  return consistent({ ...options, ...(agents === undefined ? {} : { agents: namesIn(agents) }) });
}

function namesIn(agents: string): string[] {
  const names = agents
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  if (names.length === 0)
    throw new AppError(
      'INPUT_INVALID',
      '--agents names no agent; write for example --agents react,evaluator',
    );
  return names;
}

function consistent(options: StartOptions): StartOptions {
  const { task, agents, strategy, input, base } = options;
  if (task !== undefined && task.trim() === '')
    throw new AppError('INPUT_INVALID', '--task is empty; say what the agents should do');
  if (task !== undefined && (input ?? base) !== undefined)
    throw new AppError(
      'INPUT_INVALID',
      '--task and --input/--base exclude each other: a task or the dependency gate',
    );
  if (task === undefined && agents !== undefined)
    throw new AppError('INPUT_INVALID', '--agents needs --task; the dependency gate has its own agents');
  if (task === undefined && strategy !== undefined)
    throw new AppError('INPUT_INVALID', '--strategy needs --task; the dependency gate has its own plan');
  if (base !== undefined && input === undefined)
    throw new AppError('INPUT_INVALID', '--base needs --input: the file to compare with it');
  return options;
}
