import { BlockList, isIP } from 'node:net';

type Family = 'ipv4' | 'ipv6';

/** Never a tool's business: nothing a service could answer at, link-local and the metadata services of clouds. */
const NEVER = {
  ipv4: listOf('ipv4', [
    '0.0.0.0/8',
    '169.254.0.0/16',
    '100.100.100.200/32',
    '168.63.129.16/32',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.88.99.0/24',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/4',
    '240.0.0.0/4',
  ]),
  // Forms that carry an IPv4 address would hide it from its own rules: mapped, compatible, NAT64, Teredo, 6to4.
  ipv6: listOf('ipv6', [
    '::/128',
    '::ffff:0:0/96',
    '::ffff:0:0:0/96',
    '64:ff9b::/96',
    '64:ff9b:1::/48',
    '100::/64',
    '2001::/23',
    '2001:db8::/32',
    '2002::/16',
    '3fff::/20',
    '5f00::/16',
    'fd00:ec2::254/128',
    'fe80::/10',
    'fec0::/10',
    'ff00::/8',
  ]),
} as const;

/** What an operator may open by naming the host in full. */
const PRIVATE = {
  ipv4: listOf('ipv4', [
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '198.18.0.0/15',
  ]),
  ipv6: listOf('ipv6', ['::1/128', 'fc00::/7']),
} as const;
/** The one part of IPv6 that is given out for public use. */
const GLOBAL_IPV6 = listOf('ipv6', ['2000::/3']);

/** Whether a tool may connect to an address: `never`, only where its host is opened by name, or always. */
export function reachOf(address: string): 'never' | 'private' | 'public' {
  const version = isIP(address);
  // A zone only says by which interface; there is none for a global address.
  if (version === 0 || address.includes('%')) return 'never';
  const family: Family = version === 4 ? 'ipv4' : 'ipv6';
  if (NEVER[family].check(address, family)) return 'never';
  if (PRIVATE[family].check(address, family)) return 'private';
  return family === 'ipv6' && !GLOBAL_IPV6.check(address, family) ? 'never' : 'public';
}

function listOf(family: Family, subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = '', prefix = ''] = subnet.split('/');
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
}
