import {
  type Client,
  Connection,
  defaultGrpcRetryOptions,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { AppError } from '../protocol/failures';
import { BUS_WORKFLOW, CLOSE_SIGNAL, DELIVER_SIGNAL } from '../core/bus/names';
import { busIdOf } from '../core/ids';
import type { BusSignals } from '../activities/bus/buses';
import type { BusKey } from '../activities/route-messages';
import { clientOver, temporalUnavailable, type TemporalTarget } from './temporal';

interface SignalsOptions {
  readonly target: TemporalTarget;
  readonly taskQueue: string;
}

/** How long a signal is tried before its sender asks the log what has become of it. */
const SIGNAL_TIMEOUT_MS = 10_000;
/** What is left to route may wait for PostgreSQL; whoever closes tries again. */
const CLOSE_TIMEOUT_MS = 20_000;

/**
 * The way to buses, over a connection of its own that tries again after 10 ms: a bus that continues as new refuses signals
 * for a moment, and at the usual pace that moment would be seconds. Batches are numbered, so trying again is safe.
 */
export class BusConnection implements BusSignals, AsyncDisposable {
  private connecting: Promise<Client> | undefined;
  private readonly started = new Set<string>();

  constructor(private readonly options: SignalsOptions) {}

  async deliver(key: BusKey, batch: Uint8Array): Promise<void> {
    const client = await this.client();
    await client.withDeadline(Date.now() + SIGNAL_TIMEOUT_MS, async () => {
      if (this.started.has(key.runId)) {
        try {
          await client.workflow.getHandle(busIdOf(key.runId)).signal(DELIVER_SIGNAL, batch);
          return;
        } catch (error) {
          if (!(error instanceof WorkflowNotFoundError)) throw this.unavailable(error);
        }
      }
      await this.start(client, key, batch);
    });
  }

  async close({ runId }: BusKey): Promise<void> {
    const client = await this.client();
    const handle = client.workflow.getHandle(busIdOf(runId));
    try {
      await client.withDeadline(Date.now() + CLOSE_TIMEOUT_MS, async () => {
        await handle.signal(CLOSE_SIGNAL);
        await handle.result();
      });
    } catch (error) {
      // There is none, or it was ended from outside: it takes nothing any more.
      if (isGrpcServiceError(error) && !(error instanceof WorkflowNotFoundError))
        throw this.unavailable(error);
    } finally {
      this.started.delete(runId);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connecting?.then(
      (client) => client.connection.close(),
      () => undefined,
    );
  }

  private async start(client: Client, key: BusKey, batch: Uint8Array): Promise<void> {
    try {
      await client.workflow.signalWithStart(BUS_WORKFLOW, {
        workflowId: busIdOf(key.runId),
        taskQueue: this.options.taskQueue,
        args: [key],
        signal: DELIVER_SIGNAL,
        signalArgs: [batch],
        workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
        staticSummary: 'Messages of a run',
      });
      this.started.add(key.runId);
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError)
        throw new AppError('BUS_CLOSED', `Run ${key.runId} is over; it takes no messages`, { cause: error });
      throw this.unavailable(error);
    }
  }

  private client(): Promise<Client> {
    this.connecting ??= this.connect().catch((error: unknown) => {
      this.connecting = undefined;
      throw this.unavailable(error);
    });
    return this.connecting;
  }

  private async connect(): Promise<Client> {
    const { target } = this.options;
    const retry = defaultGrpcRetryOptions({
      maxAttempts: 60,
      initialIntervalMs: () => 10,
      factor: 1.25,
      maxIntervalMs: () => 1_000,
    });
    const connection = await Connection.connect({
      ...target.connectionOptions,
      connectTimeout: '10s',
      interceptors: [makeGrpcRetryInterceptor(retry)],
    });
    return clientOver(connection, target);
  }

  private unavailable(error: unknown): AppError {
    return AppError.is(error) ? error : temporalUnavailable(this.options.target, error);
  }
}
