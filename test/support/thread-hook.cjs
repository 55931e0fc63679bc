// `node -r …/thread-hook.cjs mocha`: threads inherit it, and load TypeScript by the cache instead of loading a compiler,
// which takes a second each time. The tests themselves are loaded by what mocha requires.
'use strict';
if (!require('node:worker_threads').isMainThread) require('./hook.cjs');
