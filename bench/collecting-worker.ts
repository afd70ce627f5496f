// Loaded before a worker that a benchmark started with --expose-gc: collects garbage when it is asked to, so that its
// memory can be measured and not the moment at which V8 last looked.
process.on('message', (message) => {
  if (message !== 'collect') return;
  globalThis.gc?.();
  process.send?.('collected');
});
