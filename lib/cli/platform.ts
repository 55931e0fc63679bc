/** Architectures as `process.arch` has them, in the words of images. */
const ARCHITECTURES: Record<string, string> = { x64: 'amd64', ia32: '386', arm64: 'arm64', arm: 'arm' };

/** This machine's architecture in the words of images. */
export function hostArchitecture(): string {
  return ARCHITECTURES[process.arch] ?? process.arch;
}

/** The platform of which parts were given; undefined where none was. Default of the others: Linux on this machine. */
export function platformName(os?: string, arch?: string, variant?: string): string | undefined {
  if (os === undefined && arch === undefined && variant === undefined) return undefined;
  return [os ?? 'linux', arch ?? hostArchitecture(), ...(variant ? [variant] : [])].join('/');
}
