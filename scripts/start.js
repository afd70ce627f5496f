'use strict';
require('./preflight').refuseUnsupported();
void require('./launch').launch('start', process.argv.slice(2));
