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
const push: Entry = {
  name: 'push',
  summary: 'Push an image to a specified destination',
  load: () => (require('./image/push.js') as typeof import('./image/push.js')).push,
};
const save: Entry = {
  name: 'save',
  summary: 'Save image(s) to an archive',
  load: () => (require('./image/save.js') as typeof import('./image/save.js')).save,
};
const login: Entry = {
  name: 'login',
  summary: 'Login to a container registry',
  load: () => (require('./registry/login.js') as typeof import('./registry/login.js')).login,
};
const logout: Entry = {
  name: 'logout',
  summary: 'Logout of a container registry',
  load: () => (require('./registry/logout.js') as typeof import('./registry/logout.js')).logout,
};
const search: Entry = {
  name: 'search',
  summary: 'Search registry for image',
  load: () => (require('./registry/search.js') as typeof import('./registry/search.js')).search,
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
const exists = (type: 'container' | 'image' | 'manifest', what: string): Entry => ({
  name: 'exists',
  summary: `Check if ${what} exists in local storage`,
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
const copy: Entry = {
  name: 'copy',
  summary: 'Copy an IMAGE-NAME from one location to another',
  load: () => (require('./transports/copy.js') as typeof import('./transports/copy.js')).copy,
};
const deleteImage: Entry = {
  name: 'delete',
  summary: 'Delete image IMAGE-NAME',
  load: () => (require('./transports/delete.js') as typeof import('./transports/delete.js')).deleteImage,
};
const listTags: Entry = {
  name: 'list-tags',
  summary: 'List tags in the transport/repository specified by the SOURCE-IMAGE',
  load: () => (require('./transports/list-tags.js') as typeof import('./transports/list-tags.js')).listTags,
};
const manifestDigest: Entry = {
  name: 'manifest-digest',
  summary: 'Compute a manifest digest of a file',
  load: () =>
    (require('./transports/manifest-digest.js') as typeof import('./transports/manifest-digest.js'))
      .manifestDigest,
};
const sync: Entry = {
  name: 'sync',
  summary: 'Synchronize one or more images from one location to another',
  load: () => (require('./transports/sync.js') as typeof import('./transports/sync.js')).sync,
};
const generateSigstoreKey: Entry = {
  name: 'generate-sigstore-key',
  summary: 'Generate a sigstore public/private key pair',
  load: () =>
    (
      require('./signatures/generate-sigstore-key.js') as typeof import('./signatures/generate-sigstore-key.js')
    ).generateSigstoreKey,
};
const standaloneSign: Entry = {
  name: 'standalone-sign',
  summary: 'Create a signature using local files',
  load: () =>
    (require('./signatures/standalone-sign.js') as typeof import('./signatures/standalone-sign.js'))
      .standaloneSign,
};
const standaloneVerify: Entry = {
  name: 'standalone-verify',
  summary: 'Verify a signature using local files',
  load: () =>
    (require('./signatures/standalone-verify.js') as typeof import('./signatures/standalone-verify.js'))
      .standaloneVerify,
};
const diff: Entry = {
  name: 'diff',
  summary: "Inspect changes to the image's file systems",
  load: () => (require('./image/diff.js') as typeof import('./image/diff.js')).diff,
};
const history: Entry = {
  name: 'history',
  summary: 'Show history of a specified image',
  load: () => (require('./image/history.js') as typeof import('./image/history.js')).history,
};
const imageTree: Entry = {
  name: 'tree',
  summary: 'Print layer hierarchy of an image in a tree format',
  load: () => (require('./image/tree.js') as typeof import('./image/tree.js')).tree,
};
const imagePrune: Entry = {
  name: 'prune',
  summary: 'Remove unused images',
  load: () => (require('./image/prune.js') as typeof import('./image/prune.js')).prune,
};
const imageMount: Entry = {
  name: 'mount',
  summary: "Mount an image's root filesystem",
  load: () => (require('./image/mount.js') as typeof import('./image/mount.js')).mount,
};
const imageUnmount: Entry = {
  name: 'unmount',
  summary: "Unmount an image's root filesystem",
  load: () => (require('./image/mount.js') as typeof import('./image/mount.js')).unmount,
  aliases: ['umount'],
};
const imageScp: Entry = {
  name: 'scp',
  summary: 'Securely copy images',
  load: () => (require('./image/scp.js') as typeof import('./image/scp.js')).scp,
};
const imageSign: Entry = {
  name: 'sign',
  summary: 'Sign an image',
  load: () => (require('./image/sign.js') as typeof import('./image/sign.js')).sign,
};
const imageTrust: Entry = {
  name: 'trust',
  summary: 'Manage container image trust policy',
  commands: [
    {
      name: 'set',
      summary: 'Set default trust policy or a new trust policy for a registry',
      load: () => (require('./image/trust.js') as typeof import('./image/trust.js')).set,
    },
    {
      name: 'show',
      summary: 'Display trust policy for the system',
      load: () => (require('./image/trust.js') as typeof import('./image/trust.js')).show,
    },
  ],
};
const df: Entry = {
  name: 'df',
  summary: 'Show disk usage',
  load: () => (require('./system/df.js') as typeof import('./system/df.js')).df,
};
const check: Entry = {
  name: 'check',
  summary: 'Check storage consistency',
  load: () => (require('./system/check.js') as typeof import('./system/check.js')).check,
};
const manifest = (
  name: 'create' | 'add' | 'annotate' | 'inspect' | 'remove' | 'rm',
  summary: string,
): Entry => ({
  name,
  summary,
  load: () => (require('./manifest/manifest.js') as typeof import('./manifest/manifest.js'))[name],
});
const manifestPush: Entry = {
  name: 'push',
  summary: 'Push a manifest list or image index to a registry',
  load: () => (require('./manifest/push.js') as typeof import('./manifest/push.js')).push,
};
/* eslint-enable @typescript-eslint/no-require-imports */

const containerCommands = [
  create,
  exec,
  exists('container', 'a container'),
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
  diff,
  exists('image', 'an image'),
  history,
  imports,
  inspect('image'),
  { ...images, name: 'list', aliases: ['ls'] },
  load,
  imageMount,
  imagePrune,
  pull,
  push,
  { ...rmi, name: 'rm' },
  save,
  imageScp,
  search,
  imageSign,
  tag,
  imageTree,
  imageTrust,
  imageUnmount,
  untag,
];

/** The tree of commands. */
export const COMMANDS: readonly Entry[] = [
  {
    name: 'container',
    summary: 'Manage containers',
    commands: containerCommands.map((entry) => (entry === ps ? { ...ps, aliases: ['ls', 'list'] } : entry)),
  },
  copy,
  create,
  deleteImage,
  diff,
  exec,
  generateSigstoreKey,
  history,
  { name: 'image', summary: 'Manage images', commands: imageCommands },
  images,
  imports,
  info,
  inspect('all'),
  kill,
  listTags,
  load,
  login,
  logout,
  logs,
  manifestDigest,
  {
    name: 'manifest',
    summary: 'Manipulate manifest lists and image indexes',
    commands: [
      manifest('create', 'Create manifest list or image index'),
      manifest('add', 'Add images to a manifest list or image index'),
      manifest('annotate', 'Add or update information about an entry in a manifest list or image index'),
      exists('manifest', 'a manifest list'),
      manifest('inspect', 'Display the contents of a manifest list or image index'),
      manifest('remove', 'Remove an entry from a manifest list or image index'),
      manifest('rm', 'Remove manifest list or image index from local storage'),
      manifestPush,
    ],
  },
  ps,
  pull,
  push,
  rm,
  rmi,
  run,
  save,
  search,
  standaloneSign,
  standaloneVerify,
  start,
  stop,
  sync,
  { name: 'system', summary: 'Manage the store', commands: [check, df] },
  tag,
  untag,
  version,
  wait,
];
