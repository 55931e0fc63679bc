/* eslint-disable @typescript-eslint/no-require-imports -- import() of a CommonJS module would cost a turn and the loader of ES modules */

/** Each is loaded at its first call: no program calls them all, and loading them takes longer than running a container. */
export const jobs = {
  get attachContainer() {
    return (require('./attach.js') as typeof import('./attach.js')).attachContainer;
  },
  get checkEngine() {
    return (require('./check.js') as typeof import('./check.js')).checkEngine;
  },
  get copyImage() {
    return (require('../transports/copy-image.js') as typeof import('../transports/copy-image.js')).copyImage;
  },
  get createContainer() {
    return (require('./create.js') as typeof import('./create.js')).createContainer;
  },
  get diskUsage() {
    return (require('./disk-usage.js') as typeof import('./disk-usage.js')).diskUsage;
  },
  get doctor() {
    return (require('./doctor.js') as typeof import('./doctor.js')).examine;
  },
  get engineInfo() {
    return (require('./info.js') as typeof import('./info.js')).engineInfo;
  },
  get execs() {
    return require('./exec.js') as typeof import('./exec.js');
  },
  get imageDiff() {
    return (require('./image-diff.js') as typeof import('./image-diff.js')).imageDiff;
  },
  get imageHistory() {
    return (require('./image-history.js') as typeof import('./image-history.js')).imageHistory;
  },
  get imageTransport() {
    return (require('./image-transport.js') as typeof import('./image-transport.js')).imageTransport;
  },
  get imageTree() {
    return (require('./image-tree.js') as typeof import('./image-tree.js')).imageTree;
  },
  get importImage() {
    return (require('./import-image.js') as typeof import('./import-image.js')).importImage;
  },
  get inspectContainer() {
    return (require('./inspect.js') as typeof import('./inspect.js')).inspectContainer;
  },
  get inspectImage() {
    return (require('./inspect-image.js') as typeof import('./inspect-image.js')).inspectImage;
  },
  get loadImages() {
    return (require('./load-images.js') as typeof import('./load-images.js')).loadImages;
  },
  get localCandidates() {
    return (require('../registry/short-names.js') as typeof import('../registry/short-names.js'))
      .localCandidates;
  },
  get manifestLists() {
    return require('./manifest-lists.js') as typeof import('./manifest-lists.js');
  },
  get mounts() {
    return require('./mount-image.js') as typeof import('./mount-image.js');
  },
  get planContainer() {
    return (require('./plan-of.js') as typeof import('./plan-of.js')).planContainer;
  },
  get pruneImages() {
    return (require('./prune-images.js') as typeof import('./prune-images.js')).pruneImages;
  },
  get pulls() {
    return require('./pull-image.js') as typeof import('./pull-image.js');
  },
  get pushImage() {
    return (require('./push-image.js') as typeof import('./push-image.js')).pushImage;
  },
  get registry() {
    return require('../registry-server/index.js') as typeof import('../registry-server/index.js');
  },
  get readLog() {
    return (require('./logs.js') as typeof import('./logs.js')).readLog;
  },
  get removeImage() {
    return (require('./remove-image.js') as typeof import('./remove-image.js')).removeImage;
  },
  get repairEngine() {
    return (require('./repair.js') as typeof import('./repair.js')).repairEngine;
  },
  get runOnce() {
    return (require('./run.js') as typeof import('./run.js')).runOnce;
  },
  get saveImages() {
    return (require('./save-images.js') as typeof import('./save-images.js')).saveImages;
  },
  get scpImage() {
    return (require('./scp-image.js') as typeof import('./scp-image.js')).scpImage;
  },
  get search() {
    return (require('../registry/search.js') as typeof import('../registry/search.js')).search;
  },
  get startContainer() {
    return (require('./start.js') as typeof import('./start.js')).startContainer;
  },
  get tags() {
    return require('./tag-image.js') as typeof import('./tag-image.js');
  },
};
