import type { EnsembleClient } from '../../client/ensemble-client';
import type { JsonObject } from '../../protocol/json';
import type { GateFiles } from './collect';

/** Uploads the gate's files and names them as the run's input: histories carry references, never lock files. */
export async function gateRunInput(
  client: Pick<EnsembleClient, 'upload'>,
  files: GateFiles,
): Promise<JsonObject> {
  const put = (bytes: Uint8Array): ReturnType<EnsembleClient['upload']> =>
    client.upload(bytes, 'application/json');
  const { head, base, headName, baseName, installed } = files;
  return {
    gate: {
      head: await put(head),
      base: base === null ? null : await put(base),
      headName,
      baseName,
      ...(installed === null ? {} : { installed: await put(Buffer.from(JSON.stringify(installed))) }),
    },
  };
}
