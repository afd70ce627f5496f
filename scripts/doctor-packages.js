'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { whyBuild } = require('./build');
const { whyInstall } = require('./install');
const { finish } = require('./launch');
const { ROOT } = require('./support');

const DOCTOR = path.join(ROOT, 'lib', 'src', 'cli', 'doctor.js');

/** Looks at packages and build, then lets the built doctor look at everything else where it can run. */
function examine(line, args) {
  return finish(async () => {
    const notInstalled = whyInstall();
    if (notInstalled !== null) {
      line('FAIL', 'packages', `${notInstalled}; run npm ci (npm start does it by itself)`);
      line('warn', 'rest', 'not looked at: it needs the packages');
      return 5;
    }
    line('ok', 'packages', 'node_modules is what package-lock.json says');
    const notBuilt = whyBuild();
    if (notBuilt === null) line('ok', 'build', 'lib/ is up to date');
    else line('warn', 'build', `${notBuilt}; run npm run build (npm start does it by itself)`);
    if (fs.existsSync(DOCTOR)) return require(DOCTOR).main(args);
    line('warn', 'rest', 'not looked at: it needs the build');
    return 5;
  });
}

module.exports = { examine };
