import pretty from 'pino-pretty';

/** One readable line per entry, for people at a terminal. */
export function pinoPretty(): NodeJS.WritableStream {
  return pretty({
    destination: 2,
    sync: true,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname',
    singleLine: true,
  });
}
