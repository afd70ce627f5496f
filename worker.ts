import { readEnvironment } from './src/config';
import { workerMain } from './src/cli/worker';

/** Starts a worker alone, against the Temporal and PostgreSQL that the environment names. */
void workerMain(readEnvironment());
