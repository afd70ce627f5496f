'use strict';

// The compiler's helper for `using` names this class without declaring it where Node has none of its own. Without it a
// test whose body and clean-up both fail would report a ReferenceError instead of either failure.
globalThis._SuppressedError ??= class SuppressedError extends Error {
  constructor(error, suppressed) {
    super(`${error?.stack ?? error}\n(and then: ${suppressed?.stack ?? suppressed})`);
    this.name = 'SuppressedError';
  }
};
