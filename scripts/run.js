'use strict';
require('./preflight').refuseUnsupported();
void require('./launch').launch(process.argv[2], process.argv.slice(3));
