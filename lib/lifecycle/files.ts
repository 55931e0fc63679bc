import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { ContainerOptions } from '../spec/options.js';
import type { ContainerPaths } from '../spec/facts.js';
import type { RootSource } from './container-facts.js';
import { filesOf, stagingDirectory, type ContainerFiles, type Context } from './context.js';

/** Whether the root file system is used as it is, without an overlay over it. */
export function isPlainRootfs(options: ContainerOptions): boolean {
  return options.rootfs !== undefined && !options.rootfs.endsWith(':O');
}

/** Where the compilers find a container's files. */
export function pathsOf(
  context: Context,
  id: string,
  source: RootSource,
  options: ContainerOptions,
): ContainerPaths {
  const files = filesOf(context, id);
  const plain = isPlainRootfs(options);
  const [rootfs] = source.trees;
  return {
    directory: files.directory,
    runDirectory: files.runDirectory,
    exitRecord: files.exit,
    lower: plain ? [] : source.trees,
    ...(plain ? { rootfs: rootfs ?? '' } : { upper: files.upper, work: files.work }),
    staging: stagingDirectory(context),
    ...(options.logDriver === 'none' ? {} : { log: files.log }),
    managedFiles: {
      '/etc/hosts': files.hosts,
      '/etc/hostname': files.hostname,
      '/run/.containerenv': files.containerenv,
      ...(options.network === 'host' ? { '/etc/resolv.conf': '/etc/resolv.conf' } : {}),
    },
  };
}

/** Makes what an overlay needs. Its root directory shows mode and owner of the upper one, so that gets the image's. */
export function makeOverlayDirectories(
  files: ContainerFiles,
  source: RootSource,
  options: ContainerOptions,
): void {
  if (isPlainRootfs(options)) return;
  mkdirSync(files.upper);
  mkdirSync(files.work, { mode: 0o700 });
  const [top] = source.trees;
  const root = top === undefined ? { mode: 0o755, uid: 0, gid: 0 } : statSync(top);
  chmodSync(files.upper, root.mode & 0o7777);
  if (process.getuid?.() === 0 && (root.uid !== 0 || root.gid !== 0))
    chownSync(files.upper, root.uid, root.gid);
}

/**
 * Writes the files that the engine binds over the image's: generated outside of the container's tree, so that no link
 * in it can lead the write elsewhere.
 */
export function writeManagedFiles(
  files: ContainerFiles,
  options: ContainerOptions,
  hostname: string,
  name: string,
): void {
  writeFileSync(files.hosts, `${hostsOfHost()}127.0.0.1\t${hostname} ${name}\n`, { mode: 0o644 });
  writeFileSync(files.hostname, `${hostname}\n`, { mode: 0o644 });
  writeFileSync(files.containerenv, '', { mode: 0o644 });
}

/** The host's own entries, which a container sees too, as at podman. */
function hostsOfHost(): string {
  try {
    const text = readFileSync('/etc/hosts', 'utf8');
    return text === '' || text.endsWith('\n') ? text : `${text}\n`;
  } catch {
    return '127.0.0.1\tlocalhost\n::1\tlocalhost\n';
  }
}
