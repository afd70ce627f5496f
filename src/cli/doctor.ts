import { type Config, type Environment, loadConfig, readEnvironment } from '../config';
import { AppError } from '../protocol/failures';
import { checkoutRoot, dataDirOf } from '../runtime/embedded';
import { describeCapabilities } from '../runtime/model-capabilities';
import { type Finding, lineOf } from '../runtime/embedded/checks/finding';
import { machineFindings } from '../runtime/embedded/checks/machine';
import { serverFindings } from '../runtime/embedded/checks/servers';
import { reportFailure } from './report-failure';

const HELP = `npm run doctor [-- --keys]: says what is wrong with this machine, one line per check.
  --keys  also asks the configured model providers whether they accept their key, and what a compatible server takes
`;
const UNFIT = 5;
const ANSWER_MS = 10_000;
/** A model on a small machine takes its time, and is asked up to ten times. */
const PROBES_MS = 120_000;
const ANTHROPIC_VERSION = '2023-06-01';

/** `npm run doctor`: one line per check of this machine. Returns 0, or 5 where something keeps the product from working. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const unknown = argv.find((arg) => arg !== '--keys' && arg !== '--help');
    if (unknown !== undefined)
      throw new AppError('INPUT_INVALID', `doctor knows no ${unknown}; it has --keys`);
    if (!argv.includes('--help')) return await examine(argv.includes('--keys'));
    process.stdout.write(HELP);
    return 0;
  } catch (error) {
    return reportFailure(error).exit;
  }
}

async function examine(withKeys: boolean): Promise<number> {
  const checkout = checkoutRoot();
  const environment = readEnvironment(checkout);
  const [config, problem] = configuration(environment);
  const dataDir = dataDirOf(checkout, config);
  const findings: Finding[] = [problem];
  findings.push(...(await machineFindings(config, dataDir)));
  findings.push(...(await serverFindings({ config, environment, dataDir })));
  if (withKeys) findings.push(...(await keyFindings(config)), ...(await capabilityFindings(config)));
  for (const finding of findings) process.stdout.write(`${lineOf(finding)}\n`);
  return findings.some(({ status }) => status === 'FAIL') ? UNFIT : 0;
}

/** The configuration, or the defaults where it is wrong: the other checks go on without it. */
function configuration(environment: Environment): [Config, Finding] {
  const name = 'configuration';
  try {
    return [loadConfig(environment), { status: 'ok', name, what: 'valid' }];
  } catch (error) {
    if (!AppError.is(error)) throw error;
    const todo = 'correct these variables (README has the table)';
    return [loadConfig({}), { status: 'FAIL', name, what: error.message, todo }];
  }
}

async function keyFindings(config: Config): Promise<Finding[]> {
  const { OPENAI_API_KEY, OPENAI_BASE_URL, ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL } = config;
  const findings: Promise<Finding>[] = [];
  if (OPENAI_API_KEY !== undefined || OPENAI_BASE_URL !== undefined) {
    const headers = OPENAI_API_KEY === undefined ? {} : { authorization: `Bearer ${OPENAI_API_KEY}` };
    findings.push(
      tryKey('key OPENAI_API_KEY', `${OPENAI_BASE_URL ?? 'https://api.openai.com/v1'}/models`, headers),
    );
  }
  if (ANTHROPIC_API_KEY !== undefined) {
    const headers = { 'x-api-key': ANTHROPIC_API_KEY, 'anthropic-version': ANTHROPIC_VERSION };
    const base = ANTHROPIC_BASE_URL ?? 'https://api.anthropic.com';
    findings.push(tryKey('key ANTHROPIC_API_KEY', `${base}/v1/models`, headers));
  }
  if (findings.length > 0) return Promise.all(findings);
  return [{ status: 'ok', name: 'keys', what: 'none configured, the offline provider serves' }];
}

async function capabilityFindings(config: Config): Promise<Finding[]> {
  if (config.OPENAI_BASE_URL === undefined || config.ENSEMBLE_MODEL_PROVIDER === 'openai') return [];
  const name = 'model server';
  try {
    const what = await describeCapabilities(config, AbortSignal.timeout(PROBES_MS));
    return [{ status: 'ok', name, what }];
  } catch (error) {
    const what = AppError.is(error) ? error.message : `no answer within ${PROBES_MS / 1_000} s`;
    return [{ status: 'warn', name, what, todo: 'what it takes is found out when a request is refused' }];
  }
}

async function tryKey(name: string, url: string, headers: Record<string, string>): Promise<Finding> {
  const address = url.replace(/([^:])\/{2,}/g, '$1/');
  const { host } = new URL(address);
  try {
    const response = await fetch(address, {
      headers,
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    await response.body?.cancel();
    if (response.ok) return { status: 'ok', name, what: `accepted by ${host}` };
    if (response.status === 401 || response.status === 403) {
      const what = `refused by ${host} (${response.status})`;
      return { status: 'FAIL', name, what, todo: 'set a valid key, or unset it' };
    }
    return {
      status: 'warn',
      name,
      what: `${host} answered ${response.status}`,
      todo: 'whether it is valid is unknown',
    };
  } catch {
    return {
      status: 'FAIL',
      name,
      what: `${host} cannot be reached`,
      todo: 'check the base URL and the network',
    };
  }
}
