#!/usr/bin/env node
import { processHost } from './host.js';
import { main } from './program.js';

// A detached container does not keep a program alive, not even one that waits for it. This one ends when it is done.
setInterval(() => undefined, 0x7fffffff);

void main(process.argv.slice(2), processHost()).then((code) => {
  // A terminal or pipe that is still being read would keep the process alive.
  process.exit(code);
});
