/** What a licence asks of whoever ships the package, from least to most, and what nobody can say. */
export const LICENCE_CLASSES = [
  'permissive',
  'weak-copyleft',
  'strong-copyleft',
  'restricted',
  'unknown',
] as const;
export type LicenceClass = (typeof LICENCE_CLASSES)[number];

/** SPDX identifiers by what they ask of whoever ships the package. An identifier in no list is unknown. */
const IDS: Readonly<Record<Exclude<LicenceClass, 'unknown'>, string>> = {
  permissive: `0BSD AFL-2.1 AFL-3.0 Apache-1.1 Apache-2.0 Artistic-1.0 Artistic-2.0 BlueOak-1.0.0 BSD-1-Clause
    BSD-2-Clause BSD-2-Clause-Patent BSD-3-Clause BSD-3-Clause-Clear BSD-4-Clause BSL-1.0 CC-BY-3.0 CC-BY-4.0 CC0-1.0
    curl ECL-2.0 FTL HPND ICU ISC JSON libpng-2.0 Libpng MIT MIT-0 MITNFA MS-PL MulanPSL-2.0 NCSA ODC-By-1.0 OFL-1.1
    OpenSSL PHP-3.01 PostgreSQL PSF-2.0 Python-2.0 Python-2.0.1 TCL Unicode-3.0 Unicode-DFS-2015 Unicode-DFS-2016
    Unlicense UPL-1.0 Vim W3C W3C-20150513 WTFPL X11 Zlib ZPL-2.1`,
  'weak-copyleft': `CDDL-1.0 CDDL-1.1 CPL-1.0 EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 IPL-1.0 LGPL-2.0 LGPL-2.0-only
    LGPL-2.0-or-later LGPL-2.1 LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0 LGPL-3.0-only LGPL-3.0-or-later MPL-1.0 MPL-1.1
    MPL-2.0 MS-RL`,
  'strong-copyleft': `AGPL-1.0-only AGPL-1.0-or-later AGPL-3.0 AGPL-3.0-only AGPL-3.0-or-later CC-BY-SA-3.0
    CC-BY-SA-4.0 GPL-1.0 GPL-1.0-only GPL-1.0-or-later GPL-2.0 GPL-2.0-only GPL-2.0-or-later GPL-3.0 GPL-3.0-only
    GPL-3.0-or-later OSL-3.0 QPL-1.0 RPL-1.5 Sleepycat`,
  restricted: `BUSL-1.1 CC-BY-NC-4.0 CC-BY-NC-ND-4.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0 Elastic-2.0 PolyForm-Noncommercial-1.0.0
    PolyForm-Small-Business-1.0.0 SSPL-1.0 UNLICENSED`,
};

const CLASS_OF = new Map<string, LicenceClass>();
for (const kind of ['permissive', 'weak-copyleft', 'strong-copyleft', 'restricted'] as const) {
  for (const id of IDS[kind].split(/\s+/)) CLASS_OF.set(id.toLowerCase(), kind);
}

/** Class of one SPDX identifier; SPDX compares them without regard to case. */
export function classOfLicenceId(id: string): LicenceClass {
  return CLASS_OF.get(id.toLowerCase().replace(/\+$/, '')) ?? 'unknown';
}
