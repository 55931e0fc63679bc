import { arch } from 'node:process';
import { VainaError } from '../errors.js';
import type { Descriptor, Platform } from './types.js';

/** Other names of architectures, with the variant they imply. */
const ARCHITECTURES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map([
  ['x86_64', ['amd64']],
  ['x86-64', ['amd64']],
  ['x64', ['amd64']],
  ['i386', ['386']],
  ['i686', ['386']],
  ['ia32', ['386']],
  ['aarch64', ['arm64']],
  ['armhf', ['arm', 'v7']],
  ['armel', ['arm', 'v6']],
  ['ppc64el', ['ppc64le']],
  ['loong64', ['loong64']],
  ['mipsel', ['mipsle']],
] as const);

/** Architectures whose variants each run what was built for the ones before. */
const LADDERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['arm', ['v5', 'v6', 'v7', 'v8']],
  ['amd64', ['v1', 'v2', 'v3', 'v4']],
]);

/** The variant that goes without saying. */
const IMPLIED: ReadonlyMap<string, string> = new Map([
  ['amd64', 'v1'],
  ['arm64', 'v8'],
]);

/**
 * One spelling for each platform, as at containerd: lower case, `x86_64` is `amd64`, `arm` without a variant is `v7`,
 * and the variants that go without saying are left away.
 */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase();
  const named = platform.architecture.toLowerCase();
  const [architecture, implied] = ARCHITECTURES.get(named) ?? [named];
  let variant = platform.variant?.toLowerCase() ?? '';
  if (/^[0-9]$/.test(variant)) variant = `v${variant}`;
  if (variant === '') variant = implied ?? (architecture === 'arm' ? 'v7' : '');
  if (variant === IMPLIED.get(architecture)) variant = '';
  const { variant: _, ...rest } = platform;
  return { ...rest, os: os === 'macos' ? 'darwin' : os, architecture, ...(variant !== '' && { variant }) };
}

/**
 * Parses `os/architecture[/variant]`, or only an architecture of Linux.
 *
 * @throws VainaError `ERR_INVALID_OPTION`
 */
export function parsePlatformName(text: string): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || text.length > 100 || !parts.every((part) => /^[A-Za-z0-9_.-]+$/.test(part))) {
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `platform ${JSON.stringify(text.slice(0, 100))} is not os/architecture[/variant]`,
    );
  }
  const [os, architecture, variant] = parts.length === 1 ? ['linux', ...parts] : parts;
  return normalizePlatform({
    os: os ?? '',
    architecture: architecture ?? '',
    ...(variant !== undefined && { variant }),
  });
}

/** `os/architecture[/variant]`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** What this process runs on. */
export function hostPlatform(): Platform {
  const version = (process.config.variables as { arm_version?: unknown }).arm_version;
  const variant = arch === 'arm' && /^[5-8]$/.test(String(version)) ? { variant: `v${String(version)}` } : {};
  return normalizePlatform({ os: 'linux', architecture: arch, ...variant });
}

/**
 * The platforms whose images run on the wanted one, best first: itself, its older variants, and the plain
 * architecture.
 */
export function compatiblePlatforms(wanted: Platform): Platform[] {
  const { os, architecture, variant } = normalizePlatform(wanted);
  const ladder = LADDERS.get(architecture) ?? [];
  const rung = ladder.indexOf(variant ?? IMPLIED.get(architecture) ?? '');
  const variants = rung === -1 ? [variant] : ladder.slice(0, rung + 1).reverse();
  const all = variants.map((name) =>
    normalizePlatform({ os, architecture, ...(name !== undefined && { variant: name }) }),
  );
  if (variant !== undefined && rung === -1) all.push({ os, architecture });
  return all;
}

/** Whether an image of one platform runs on another. */
export function platformRuns(image: Platform, wanted: Platform): boolean {
  const given = formatPlatform(normalizePlatform(image));
  return compatiblePlatforms(wanted).some((platform) => formatPlatform(platform) === given);
}

/**
 * The descriptor of an index that fits a platform best. Descriptors of attestations, which name the platform
 * `unknown`, never fit.
 */
export function matchPlatform(manifests: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  for (const platform of compatiblePlatforms(wanted)) {
    const name = formatPlatform(platform);
    const found = manifests.find(
      (entry) => entry.platform && formatPlatform(normalizePlatform(entry.platform)) === name,
    );
    if (found) return found;
  }
  return undefined;
}
