'use strict';
require('./preflight').refuseUnsupported();

// Not a command of the product, so it lies beside the sources and not among the commands.
void require('./launch').finish(async (announce) => {
  await require('./install').ensureInstalled(announce);
  await require('./build').ensureBuilt(announce);
  return require('../lib/bench/main.js').main(process.argv.slice(2));
});
