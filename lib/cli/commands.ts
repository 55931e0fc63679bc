import type { Verb } from './verb.js';

/** A command, or a group of commands, as the tree knows it before anything of it is loaded. */
export type Entry =
  | { name: string; summary: string; aliases?: readonly string[]; load: () => Verb }
  | { name: string; summary: string; aliases?: readonly string[]; commands: readonly Entry[] };

// Each module is loaded when its command is called: starting quickly is what a command line is measured by.
/* eslint-disable @typescript-eslint/no-require-imports */
const create: Entry = {
  name: 'create',
  summary: 'Create but do not start a container',
  load: () => (require('./container/create.js') as typeof import('./container/create.js')).create,
};
const exec: Entry = {
  name: 'exec',
  summary: 'Run a process in a running container',
  load: () => (require('./container/exec.js') as typeof import('./container/exec.js')).exec,
};
const kill: Entry = {
  name: 'kill',
  summary: 'Kill one or more running containers with a specific signal',
  load: () => (require('./container/kill.js') as typeof import('./container/kill.js')).kill,
};
const logs: Entry = {
  name: 'logs',
  summary: 'Fetch the logs of one or more containers',
  load: () => (require('./container/logs.js') as typeof import('./container/logs.js')).logs,
};
const ps: Entry = {
  name: 'ps',
  summary: 'List containers',
  load: () => (require('./container/ps.js') as typeof import('./container/ps.js')).ps,
};
const rm: Entry = {
  name: 'rm',
  summary: 'Remove one or more containers',
  load: () => (require('./container/rm.js') as typeof import('./container/rm.js')).rm,
};
const run: Entry = {
  name: 'run',
  summary: 'Run a command in a new container',
  load: () => (require('./container/run.js') as typeof import('./container/run.js')).run,
};
const start: Entry = {
  name: 'start',
  summary: 'Start one or more containers',
  load: () => (require('./container/start.js') as typeof import('./container/start.js')).start,
};
const stop: Entry = {
  name: 'stop',
  summary: 'Stop one or more containers',
  load: () => (require('./container/stop.js') as typeof import('./container/stop.js')).stop,
};
const wait: Entry = {
  name: 'wait',
  summary: 'Block on one or more containers',
  load: () => (require('./container/wait.js') as typeof import('./container/wait.js')).wait,
};
const imports: Entry = {
  name: 'import',
  summary: 'Import a tarball to create a filesystem image',
  load: () => (require('./image/import.js') as typeof import('./image/import.js')).importImage,
};
const load: Entry = {
  name: 'load',
  summary: 'Load image(s) from a tar archive',
  load: () => (require('./image/load.js') as typeof import('./image/load.js')).load,
};
const pull: Entry = {
  name: 'pull',
  summary: 'Pull an image from a registry',
  load: () => (require('./image/pull.js') as typeof import('./image/pull.js')).pull,
};
const rmi: Entry = {
  name: 'rmi',
  summary: 'Remove one or more images from local storage',
  load: () => (require('./image/rmi.js') as typeof import('./image/rmi.js')).rmi,
};
const tag: Entry = {
  name: 'tag',
  summary: 'Add an additional name to a local image',
  load: () => (require('./image/tag.js') as typeof import('./image/tag.js')).tag,
};
const untag: Entry = {
  name: 'untag',
  summary: 'Remove a name from a local image',
  load: () => (require('./image/tag.js') as typeof import('./image/tag.js')).untag,
};
const images: Entry = {
  name: 'images',
  summary: 'List images in local storage',
  load: () => (require('./image/images.js') as typeof import('./image/images.js')).images,
};
const inspect = (type: 'all' | 'container' | 'image'): Entry => ({
  name: 'inspect',
  summary: `Display the configuration of ${type === 'all' ? 'object denoted by ID' : `a ${type}`}`,
  load: () => (require('./system/inspect.js') as typeof import('./system/inspect.js')).inspect(type),
});
const exists = (type: 'container' | 'image'): Entry => ({
  name: 'exists',
  summary: `Check if ${type === 'image' ? 'an image' : 'a container'} exists in local storage`,
  load: () => (require('./system/exists.js') as typeof import('./system/exists.js')).exists(type),
});
const info: Entry = {
  name: 'info',
  summary: 'Display system information',
  load: () => (require('./system/info.js') as typeof import('./system/info.js')).info,
};
const version: Entry = {
  name: 'version',
  summary: 'Display the version information',
  load: () => (require('./system/version.js') as typeof import('./system/version.js')).version,
};
/* eslint-enable @typescript-eslint/no-require-imports */

const containerCommands = [
  create,
  exec,
  exists('container'),
  inspect('container'),
  kill,
  logs,
  ps,
  rm,
  run,
  start,
  stop,
  wait,
];

const imageCommands: Entry[] = [
  exists('image'),
  imports,
  inspect('image'),
  { ...images, name: 'list', aliases: ['ls'] },
  load,
  pull,
  { ...rmi, name: 'rm' },
  tag,
  untag,
];

/** The tree of commands. */
export const COMMANDS: readonly Entry[] = [
  {
    name: 'container',
    summary: 'Manage containers',
    commands: containerCommands.map((entry) => (entry === ps ? { ...ps, aliases: ['ls', 'list'] } : entry)),
  },
  create,
  exec,
  { name: 'image', summary: 'Manage images', commands: imageCommands },
  images,
  imports,
  info,
  inspect('all'),
  kill,
  load,
  logs,
  ps,
  pull,
  rm,
  rmi,
  run,
  start,
  stop,
  tag,
  untag,
  version,
  wait,
];
