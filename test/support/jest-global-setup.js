'use strict';
const { startTestServers } = require('./jest-test-servers');

module.exports = startTestServers;
