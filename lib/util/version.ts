/** The version of this package. */
export function packageVersion(): string {
  // The file is at the same place seen from lib/util and from dist/util.
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- outside of what is compiled
  return (require('../../package.json') as { version: string }).version;
}
