/** The version of the package. */
export function version(): string {
  // The file is at the same place seen from lib/cli and from dist/cli.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return (require('../../package.json') as { version: string }).version;
}
