import { integrityOf } from './lock-model';
import { ALL, type Plant, addition, alteration, high, low, unknown } from './plant';

const LICENCES: readonly Plant[] = [
  addition('no licence', { license: undefined }, [unknown('licence', 'licence-unknown')]),
  addition('licence in a file', { license: 'SEE LICENSE IN LICENSE' }, [
    unknown('licence', 'licence-unknown'),
  ]),
  addition('licence that is prose', { license: 'Apache 2.0' }, [unknown('licence', 'licence-unknown')]),
  addition('licence of no list', { license: 'LicenseRef-House' }, [unknown('licence', 'licence-unknown')]),
  addition('strong copyleft', { license: 'AGPL-3.0-or-later' }, [high('licence', 'licence-strong-copyleft')]),
  addition('bound by both', { license: 'MIT AND GPL-2.0-only' }, [
    high('licence', 'licence-strong-copyleft'),
  ]),
  addition('weak copyleft', { license: '(LGPL-3.0-only OR GPL-2.0-only)' }, [
    low('licence', 'licence-weak-copyleft'),
  ]),
  addition('no licence granted', { license: 'UNLICENSED' }, [high('licence', 'licence-restricted')]),
  addition('a choice', { license: '(GPL-3.0-only OR MIT)' }, []),
  addition('an older object', { license: { type: 'ISC', url: 'https://example.com' } }, []),
  alteration(
    'licence replaced',
    [{ license: 'MIT' }, { version: '2.0.0', license: 'BUSL-1.1' }],
    [high('licence', 'licence-restricted')],
  ),
  alteration(
    'licence replaced by a free one',
    [{ license: 'MIT' }, { version: '2.0.0', license: 'ISC' }],
    [{ kind: 'licence', check: 'licence-changed', severity: 'info' }],
  ),
];

const SCRIPTS: readonly Plant[] = [
  addition('install script', { hasInstallScript: true }, [high('install-script', 'install-script-new')]),
  alteration(
    'install script in a new version',
    [{}, { version: '1.0.1', hasInstallScript: true }],
    [high('install-script', 'install-script-new')],
  ),
  alteration(
    'install script kept',
    [{ hasInstallScript: true }, { version: '1.0.1' }],
    [low('install-script', 'install-script-kept')],
  ),
];

const INTEGRITY: readonly Plant[] = [
  addition('no integrity', { integrity: undefined }, [high('provenance', 'integrity-missing')], ALL),
  addition(
    'SHA-1 only',
    { integrity: integrityOf('weak', 'sha1') },
    [low('provenance', 'integrity-weak')],
    ALL,
  ),
  addition('SHA-1 and more', { integrity: `${integrityOf('a', 'sha1')} ${integrityOf('a')}` }, [], ALL),
  addition('not a hash', { integrity: 'sha512-AAAA' }, [high('provenance', 'integrity-malformed')], ALL),
  alteration(
    'integrity changed',
    [{}, { integrity: integrityOf('other') }],
    [high('provenance', 'integrity-changed')],
    ALL,
  ),
  alteration(
    'integrity lost',
    [{}, { integrity: undefined }],
    [high('provenance', 'integrity-removed')],
    ALL,
  ),
  alteration(
    'integrity strengthened',
    [{ integrity: integrityOf('x', 'sha1') }, { integrity: integrityOf('x') }],
    [],
    ALL,
  ),
];

export const PACKAGE_PLANTS: readonly Plant[] = [...LICENCES, ...SCRIPTS, ...INTEGRITY];
