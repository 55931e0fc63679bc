#!/usr/bin/env -S node --initial-heap-size=128
// What passes through Node.js in buffers counts as its heap. Beginning with a small one, it would look for garbage every 20 MB
// of a layer, which takes a quarter of the processor time of a copy; no memory is taken before it is used.
import { processHost } from './host.js';
import { main } from './program.js';

void main(process.argv.slice(2), processHost()).then((code) => {
  // A terminal or pipe that is still being read would keep the process alive.
  process.exit(code);
});
