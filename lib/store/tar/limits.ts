/** Most bytes that the extended headers (PAX, GNU long names, sparse maps) of one entry may have. */
export const MAX_HEADER_BYTES = 1024 * 1024;
/** Longest path or link target in bytes: PATH_MAX without its NUL. */
export const MAX_PATH_BYTES = 4095;
/** Most components of a path. */
export const MAX_DEPTH = 1024;
/** Most entries of an archive, extended headers included. */
export const MAX_ENTRIES = 2_000_000;
