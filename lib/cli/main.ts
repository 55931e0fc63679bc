#!/usr/bin/env node
import { processHost } from './host.js';
import { main } from './program.js';

void main(process.argv.slice(2), processHost()).then((code) => {
  // A terminal or pipe that is still being read would keep the process alive.
  process.exit(code);
});
