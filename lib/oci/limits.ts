/** Most bytes of a manifest or index, as at the peers. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Most bytes of an image configuration. */
export const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
/** Most descriptors in one manifest or index. */
export const MAX_DESCRIPTORS = 1000;
/** Most layers of an image: what overlay can stack. */
export const MAX_LAYERS = 499;
/** Deepest nesting of indexes. */
export const MAX_INDEX_DEPTH = 4;
/** Most entries of a list or map in a configuration or descriptor. */
export const MAX_ENTRIES = 10_000;
/** Most manifests and indexes of one copy. */
export const MAX_IMAGES = 1000;
/** Most bytes of all manifests, indexes and configurations of one copy together: they are kept in memory. */
export const MAX_COPY_BYTES = 128 * 1024 * 1024;
/** Most signatures of one manifest. */
export const MAX_SIGNATURES = 128;
/** Most bytes of one signature. */
export const MAX_SIGNATURE_BYTES = 4 * 1024 * 1024;
/** Most entries of an archive of images. */
export const MAX_ARCHIVE_ENTRIES = 100_000;
/** Most bytes that one byte of a compressed stream, of those that have been read, may become… */
const MAX_EXPANSION_RATIO = 100;
/** …beside this many that are free. */
const EXPANSION_FREE_BYTES = 1024 * 1024 * 1024;

/**
 * Whether a stream grows more when it is decompressed than images do: gzip could by 1032 times, zstd by more.
 *
 * @param taken - compressed bytes that have been read
 * @param given - bytes that have come out
 */
export function expandsTooMuch(taken: number, given: number): boolean {
  return given > EXPANSION_FREE_BYTES + taken * MAX_EXPANSION_RATIO;
}
