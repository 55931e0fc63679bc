import { open, type FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { VainaError } from '../../errors.js';
import { fileFailure } from '../../oci/failure.js';
import { rootfsSource } from '../../oci/rootfs-source.js';
import { openSpool, type SpoolOptions } from '../../oci/spool.js';
import { BLOCK, tarHeader, tarPadding } from '../../oci/tar-header.js';
import type { ImageSource } from '../../oci/types.js';
import { readRange } from '../../util/read-range.js';
import { readSif, type SifImage } from './header.js';
import { readPseudoFile, type PseudoMember } from './pseudo-file.js';
import { RUNSCRIPT, runscriptOf } from './runscript.js';
import { writePseudoFile } from './squashfs.js';

/**
 * An image of Singularity (SIF) as an OCI image of one layer, made of the squashfs in it by unsquashfs(1). Its command is a
 * script made of the environment and run script of its definition file, else a shell. Extended attributes are not read.
 *
 * @param path - of the file
 * @throws VainaError `ERR_NO_SUCH_PATH`, `ERR_PERMISSION`, `ERR_INVALID_IMAGE`, `ERR_UNSUPPORTED`, `ERR_NO_SPACE`;
 * `ERR_HOST_UNSUPPORTED` without unsquashfs
 */
export async function sifSource(path: string, options: SpoolOptions = {}): Promise<ImageSource> {
  const { tmpDir, signal } = options;
  let file: FileHandle | undefined;
  let spooled: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    if (!(await file.stat()).isFile()) {
      throw new VainaError('ERR_INVALID_IMAGE', `${path} is no SIF image: it is not a file`, { path });
    }
    const image = await readSif(file, path);
    spooled = await openSpool(options);
    await writePseudoFile(file, image.offset, spooled, path, signal);
    const members = await readPseudoFile(spooled, path);
    return imageOf(path, image, spooled, members, tmpDir);
  } catch (error) {
    await spooled?.close();
    signal?.throwIfAborted();
    throw fileFailure(error, path);
  } finally {
    await file?.close();
  }
}

function imageOf(
  path: string,
  { definition, architecture, modified, id }: SifImage,
  spooled: FileHandle,
  members: readonly PseudoMember[],
  tmpDir: string | undefined,
): ImageSource {
  const types = new Map(members.map(({ name, type }) => [name.toString('latin1'), type]));
  const shell = types.has('bin/bash') || types.has('usr/bin/bash') ? 'bash' : 'sh';
  const script = runscriptOf(definition, shell);
  const [directory = ''] = RUNSCRIPT.split('/');
  if (script !== undefined && (types.get(directory) ?? '5') !== '5') {
    throw new VainaError(
      'ERR_UNSUPPORTED',
      `${path} has a run script, and no place for it: /${directory} is there`,
    );
  }
  const archive = Readable.from(
    archiveOf(spooled, members, script, types.has(directory) ? undefined : directory, modified),
    { objectMode: false },
  );
  const command = script === undefined ? shell : `/${RUNSCRIPT}`;
  const source = rootfsSource(archive, {
    platform: { os: 'linux', architecture },
    created: modified,
    message: `imported from SIF, uuid: ${uuid(id)}`,
    changes: [`CMD ${JSON.stringify([command])}`],
    ...(tmpDir !== undefined && { tmpDir }),
  });
  return {
    name: `sif:${path}`,
    manifest: (...args) => source.manifest(...args),
    blob: (...args) => source.blob(...args),
    async close() {
      await source.close();
      archive.destroy();
      await spooled.close();
    },
  };
}

async function* archiveOf(
  spooled: FileHandle,
  members: readonly PseudoMember[],
  script: string | undefined,
  directory: string | undefined,
  modified: Date,
): AsyncGenerator<Buffer> {
  for (const member of members) {
    yield tarHeader(member);
    if (member.type !== '0' || member.size === 0) continue;
    yield* readRange(spooled, member.at, member.at + member.size) as AsyncIterable<Buffer>;
    yield tarPadding(member.size);
  }
  if (script !== undefined) {
    const mtime = Math.floor(modified.getTime() / 1000);
    const content = Buffer.from(script);
    if (directory !== undefined) yield tarHeader({ name: directory, type: '5', size: 0, mode: 0o755, mtime });
    yield tarHeader({ name: RUNSCRIPT, type: '0', size: content.length, mode: 0o755, mtime });
    yield content;
    yield tarPadding(content.length);
  }
  yield Buffer.alloc(2 * BLOCK);
}

function uuid(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
