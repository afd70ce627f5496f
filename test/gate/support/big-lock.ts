/** A lock file of this many packages: chains, shared packages, nested copies, and the fields npm writes. */
export function bigLock(packages: number, changed = 0): Buffer {
  const entries: Record<string, object> = {};
  const root: Record<string, string> = {};
  const nameOf = (at: number): string =>
    at % 7 === 0 ? `@scope-${at % 50}/package-number-${at}` : `package-number-${at}`;
  for (let at = 0; at < packages; at++) {
    const name = nameOf(at);
    if (at % 10 === 0) root[name] = '^1.0.0';
    const version = at < changed ? '1.1.0' : '1.0.0';
    const dependencies: Record<string, string> = {};
    for (const step of [1, 17]) dependencies[nameOf((at + step) % packages)] = '^1.0.0';
    const nested = at % 6 === 5 ? `node_modules/${nameOf(at - 1)}/` : '';
    entries[`${nested}node_modules/${name}`] = {
      version,
      resolved: `https://packages.example.com/${name}/-/package-number-${at}-${version}.tgz`,
      integrity: `sha512-${Buffer.alloc(64, at % 251).toString('base64')}`,
      ...(at % 3 === 0 ? { dev: true } : {}),
      license: at % 11 === 0 ? 'GPL-3.0-only' : 'MIT',
      dependencies,
      engines: { node: '>=18' },
      ...(at % 13 === 0 ? { hasInstallScript: true } : {}),
    };
  }
  const document = {
    name: 'big',
    version: '1.0.0',
    lockfileVersion: 3,
    requires: true,
    packages: {
      '': { name: 'big', version: '1.0.0', engines: { node: '>=20' }, dependencies: root },
      ...entries,
    },
  };
  return Buffer.from(JSON.stringify(document, undefined, 2));
}
