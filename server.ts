import { readEnvironment } from './src/config';
import { serverMain } from './src/cli/server';

/** Starts the HTTP server alone, against the Temporal and PostgreSQL that the environment names. */
void serverMain(readEnvironment());
