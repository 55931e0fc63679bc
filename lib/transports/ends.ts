/* eslint-disable @typescript-eslint/no-require-imports -- import() of a CommonJS module would cost a turn and the loader of ES modules */

/** How each transport is read and written, loaded when a name of it is opened. */
export const ends = {
  get containersStorageSource() {
    return (require('./containers-storage/source.js') as typeof import('./containers-storage/source.js'))
      .containersStorageSource;
  },
  get daemonSink() {
    return (require('./daemon/sink.js') as typeof import('./daemon/sink.js')).daemonSink;
  },
  get daemonSource() {
    return (require('./daemon/source.js') as typeof import('./daemon/source.js')).daemonSource;
  },
  get dirSink() {
    return (require('../oci/dir-sink.js') as typeof import('../oci/dir-sink.js')).dirSink;
  },
  get dirSource() {
    return (require('../oci/dir-source.js') as typeof import('../oci/dir-source.js')).dirSource;
  },
  get dockerArchiveSink() {
    return (require('../oci/docker-archive-sink.js') as typeof import('../oci/docker-archive-sink.js'))
      .dockerArchiveSink;
  },
  get layoutSink() {
    return (require('../oci/layout-sink.js') as typeof import('../oci/layout-sink.js')).layoutSink;
  },
  get ociArchiveSink() {
    return (require('../oci/oci-archive.js') as typeof import('../oci/oci-archive.js')).ociArchiveSink;
  },
  get openDockerArchive() {
    return (require('../oci/docker-archive.js') as typeof import('../oci/docker-archive.js'))
      .openDockerArchive;
  },
  get openLayout() {
    return (require('../oci/oci-layout.js') as typeof import('../oci/oci-layout.js')).openLayout;
  },
  get openOciArchive() {
    return (require('../oci/oci-archive.js') as typeof import('../oci/oci-archive.js')).openOciArchive;
  },
  get registrySink() {
    return (require('../registry/sink.js') as typeof import('../registry/sink.js')).registrySink;
  },
  get registrySource() {
    return (require('../registry/source.js') as typeof import('../registry/source.js')).registrySource;
  },
  get sifSource() {
    return (require('./sif/source.js') as typeof import('./sif/source.js')).sifSource;
  },
};
