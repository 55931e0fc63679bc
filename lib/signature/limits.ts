/** Most signatures of one manifest. Each costs a check, and whoever serves the image says how many there are. */
export const MAX_SIGNATURES = 32;
/** Most bytes of the document that a signature signs. */
export const MAX_PAYLOAD_BYTES = 1024 * 1024;
/** Most bytes of a policy, a file of registries.d, or a key. */
export const MAX_CONFIGURATION_BYTES = 4 * 1024 * 1024;
