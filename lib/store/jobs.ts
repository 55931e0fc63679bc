/* eslint-disable @typescript-eslint/no-require-imports -- import() of a CommonJS module would cost a turn and the loader of ES modules */

/** What a store does with images, loaded at the first call: who only runs containers needs none of it. */
export const jobs = {
  get checkStore() {
    return (require('./check/check.js') as typeof import('./check/check.js')).checkStore;
  },
  get packLayer() {
    return (require('./pack-layer.js') as typeof import('./pack-layer.js')).packLayer;
  },
  get repairStore() {
    return (require('./check/repair.js') as typeof import('./check/repair.js')).repairStore;
  },
  get StoreSink() {
    return (require('./sink.js') as typeof import('./sink.js')).StoreSink;
  },
  get StoreSource() {
    return (require('./source.js') as typeof import('./source.js')).StoreSource;
  },
  get Upload() {
    return (require('./upload.js') as typeof import('./upload.js')).Upload;
  },
  get signatures() {
    return require('./signatures.js') as typeof import('./signatures.js');
  },
  get withWorker() {
    return (require('./with-worker.js') as typeof import('./with-worker.js')).withWorker;
  },
  get writeLayout() {
    return (require('./layout.js') as typeof import('./layout.js')).writeLayout;
  },
};
