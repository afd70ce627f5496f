'use strict';
const { stopTestServers } = require('./jest-test-servers');

module.exports = stopTestServers;
