/* eslint-disable @typescript-eslint/no-require-imports -- import() of a CommonJS module would cost a turn and the loader of ES modules */

/**
 * What a program that only runs containers never calls: each is loaded at its first call. Loading all of it takes longer than
 * running a container.
 */
export const jobs = {
  get checkEngine() {
    return (require('./check.js') as typeof import('./check.js')).checkEngine;
  },
  get copyImage() {
    return (require('../transports/copy-image.js') as typeof import('../transports/copy-image.js')).copyImage;
  },
  get diskUsage() {
    return (require('./disk-usage.js') as typeof import('./disk-usage.js')).diskUsage;
  },
  get doctor() {
    return (require('./doctor.js') as typeof import('./doctor.js')).examine;
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
  get repairEngine() {
    return (require('./repair.js') as typeof import('./repair.js')).repairEngine;
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
};
