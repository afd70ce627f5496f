'use strict';
// The workflows of somebody's own worker, and Ensemble's beside them.
const ensemble = require('ensemble/workflows');

async function greet(name) {
  return `Hello ${name}`;
}

module.exports = { ...ensemble, greet };
