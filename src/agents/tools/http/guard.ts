import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { AppError } from '../../../protocol/failures';
import { reachOf } from './addresses';

/** Every address of a host name. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

/** Where a tool may connect, decided before it does. */
export interface Permission {
  readonly url: URL;
  /** For the connection to look its host up with: hands out nothing that was not checked, at the moment it is used. */
  readonly lookup: LookupFunction;
}

const MOST_URL_CHARS = 4_000;

/**
 * Whether a tool may call a URL, as far as it can be told from the URL; the rest is told by the addresses that its host has
 * when the connection is made. Throws INPUT_INVALID where it is no HTTP URL, TOOL_FORBIDDEN.
 */
export function permit(
  text: string,
  allowHosts: readonly string[] | undefined,
  resolve: Resolve,
): Permission {
  const url = parsed(text);
  // A name ends in a dot where it is absolute; that is the same host.
  const host = url.hostname.replace(/\.$/, '');
  const rule = ruleFor(host, portOf(url), allowHosts);
  if (rule === 'refused') throw forbidden(`${host} is not among the hosts that tools may call`);
  // Brackets stand around an IPv6 address in a URL. For a literal no look-up is ever made; this name means one everywhere.
  const literal = /(?:^|\.)localhost$/.test(host) ? '127.0.0.1' : host.replaceAll(/^\[|\]$/g, '');
  if (isIP(literal) !== 0) check(literal, { host, named: rule === 'named' });
  return { url, lookup: checkedLookup(resolve, rule === 'named') };
}

/** The system's resolver. */
export const resolveBySystem: Resolve = (hostname) =>
  new Promise((found, failed) => {
    systemLookup(hostname, { all: true }, (error, addresses) => {
      if (error === null) found(addresses);
      else failed(error);
    });
  });

function parsed(text: string): URL {
  if (text.length > MOST_URL_CHARS)
    throw new AppError('INPUT_INVALID', `a URL has at most ${MOST_URL_CHARS} characters`);
  if (!URL.canParse(text)) throw new AppError('INPUT_INVALID', 'this is not a whole URL');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new AppError('INPUT_INVALID', 'only http: and https: URLs can be called');
  if (url.username !== '' || url.password !== '')
    throw new AppError('INPUT_INVALID', 'a URL must not carry a user name or a password');
  return url;
}

function portOf({ port, protocol }: URL): string {
  return port === '' ? (protocol === 'https:' ? '443' : '80') : port;
}

/** `named`: opened by an entry that names it in full. */
function ruleFor(
  host: string,
  port: string,
  allowHosts: readonly string[] = ['*'],
): 'named' | 'public' | 'refused' {
  const entries = allowHosts.map((entry) => entry.trim().toLowerCase());
  if (entries.includes(host) || entries.includes(`${host}:${port}`)) return 'named';
  const fits = (entry: string): boolean =>
    entry === '*' || (entry.startsWith('*.') && host.endsWith(entry.slice(1)));
  return entries.some(fits) ? 'public' : 'refused';
}

interface Asked {
  readonly host: string;
  readonly named: boolean;
}

function check(address: string, { host, named }: Asked): void {
  const reach = reachOf(address);
  if (reach === 'public' || (reach === 'private' && named)) return;
  throw forbidden(`${host} is at an address that tools may not call`);
}

/** All of a host's addresses must be allowed: one that is not would be the one that the connection takes. */
function checkedLookup(resolve: Resolve, named: boolean): LookupFunction {
  return (host, { all }, done) => {
    const look = async (): Promise<readonly LookupAddress[]> => {
      const addresses = await resolve(host);
      for (const { address } of addresses) check(address, { host, named });
      return addresses;
    };
    look().then(
      (addresses) => {
        const [first] = addresses;
        if (first === undefined) done(new AppError('TOOL_FAILED', `${host} has no address`), '');
        else if (all === true) done(null, [...addresses]);
        else done(null, first.address, first.family);
      },
      (error: Error) => done(error, ''),
    );
  };
}

function forbidden(why: string): AppError {
  return new AppError('TOOL_FORBIDDEN', why);
}
