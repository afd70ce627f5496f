import { loadConfig, readEnvironment } from '../config';
import { AppError } from '../protocol/failures';
import { checkoutRoot, dataDirOf, resetData } from '../runtime/embedded';
import { reportFailure } from './report-failure';

const HELP = `npm run reset: removes the data of the servers that npm start runs for this checkout (ENSEMBLE_DATA_DIR).
Servers of your own (TEMPORAL_ADDRESS, DATABASE_URL) are never touched.
`;

/** `npm run reset`: says where the data is and removes it. Returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    if (argv.includes('--help')) process.stdout.write(HELP);
    else await reset(argv);
    return 0;
  } catch (error) {
    return reportFailure(error).exit;
  }
}

async function reset(argv: readonly string[]): Promise<void> {
  if (argv[0] !== undefined) throw new AppError('INPUT_INVALID', `reset takes no ${argv[0]}`);
  const announce = (line: string): void => void process.stdout.write(`${line}\n`);
  const checkout = checkoutRoot();
  const environment = readEnvironment(checkout);
  const config = loadConfig(environment);
  if (config.DATABASE_URL !== undefined)
    announce('  postgresql   the one in DATABASE_URL is yours and stays');
  if (environment['TEMPORAL_ADDRESS'])
    announce('  temporal     the one in TEMPORAL_ADDRESS is yours and stays');
  await resetData(dataDirOf(checkout, config), announce);
}
