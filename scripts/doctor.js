'use strict';
// Unlike the other commands this one refuses nothing: it says what is wrong, as far as it gets.
var preflight = require('./preflight');

var machine = preflight.thisMachine();
var problem = preflight.problemOf(machine);

function line(status, name, text) {
  process.stdout.write((status + '    ').slice(0, 5) + name + ': ' + text + '\n');
}

if (problem === null) {
  line('ok', 'platform', 'Node ' + machine.version + ' on ' + machine.platform + ' ' + machine.arch);
  void require('./doctor-packages').examine(line, process.argv.slice(2));
} else {
  line('FAIL', 'platform', problem);
  process.exit(5);
}
