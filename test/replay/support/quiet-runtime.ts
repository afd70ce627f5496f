import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';

/** What the SDK says of its workers is of no use in a test; to be called before there is any of them. */
export function quietRuntime(): void {
  const filter = makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' });
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { forward: {}, filter } },
  });
}
