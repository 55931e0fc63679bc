import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { extract, type Header } from 'tar-stream';
import { VainaError } from '../../../lib/errors.js';
import type { ImageConfig, Manifest } from '../../../lib/oci/types.js';
import { copyImage } from '../../../lib/transports/copy-image.js';
import { openSink } from '../../../lib/transports/open.js';
import { readPseudoFile } from '../../../lib/transports/sif/pseudo-file.js';
import { runscriptOf } from '../../../lib/transports/sif/runscript.js';
import { sifSource } from '../../../lib/transports/sif/source.js';
import { failure } from '../../support/memory-source.js';
import { requires } from '../../support/requires.js';
import { sifOf, type SifPart } from '../../support/sif.js';

const SYSTEM = { fileSystem: 1, use: 2, architecture: '04' };

describe('transports: images of Singularity', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'vaina-sif-'))));
  afterEach(() => rmSync(directory, { recursive: true }));

  const write = (parts: readonly SifPart[], version?: string): string => {
    const path = join(directory, 'a.sif');
    writeFileSync(path, sifOf(parts, version));
    return path;
  };

  /** Copies to a directory, and reads what came. */
  const taken = async (
    path: string,
  ): Promise<{ config: ImageConfig; members: { header: Header; text: string }[] }> => {
    const to = join(directory, 'out');
    await copyImage(`sif:${path}`, `dir:${to}`, { insecurePolicy: true });
    const blob = (digest: string): Buffer => readFileSync(join(to, digest.replace('sha256:', '')));
    const manifest = JSON.parse(readFileSync(join(to, 'manifest.json'), 'utf8')) as Manifest;
    const members: { header: Header; text: string }[] = [];
    const reader = extract();
    Readable.from([blob(manifest.layers[0]?.digest ?? '')]).pipe(reader);
    for await (const entry of reader) {
      let text = '';
      for await (const chunk of entry) text += String(chunk);
      members.push({ header: entry.header, text });
    }
    return { config: JSON.parse(blob(manifest.config.digest).toString()) as ImageConfig, members };
  };

  const squashfs = (): Buffer => {
    const tree = join(directory, 'tree');
    mkdirSync(join(tree, 'di r/in'), { recursive: true });
    writeFileSync(join(tree, 'a "b\\'), 'hello');
    chmodSync(join(tree, 'a "b\\'), 0o4755);
    linkSync(join(tree, 'a "b\\'), join(tree, 'hard link'));
    symlinkSync('a "b\\', join(tree, 'li nk'));
    writeFileSync(join(tree, 'di r/in', `long${'g'.repeat(120)}`), 'x'.repeat(200_000));
    writeFileSync(join(tree, 'empty'), '');
    const to = join(directory, 'tree.sqfs');
    const definitions = [
      'null c 666 0 0 1 3',
      'pipe i 600 7 8 f',
      'sock i 600 0 0 s',
      'di\\ r/in m 1777 1000 3000000',
    ];
    execFileSync('mksquashfs', [
      ...[tree, to, '-quiet', '-no-progress', '-root-mode', '0711'],
      ...definitions.flatMap((line) => ['-p', line]),
    ]);
    return readFileSync(to);
  };

  describe('of a partition', () => {
    requires('mksquashfs', 'unsquashfs');
    it('are read with all that a layer can hold', async () => {
      const definition = '%runscript\n  exec echo hi\n%environment\n  A=b\n';
      const { config, members } = await taken(
        write([
          { type: 0x4001, content: Buffer.from(definition) },
          { type: 0x4004, content: Buffer.alloc(10), partition: { ...SYSTEM, use: 3 } },
          { type: 0x4004, content: squashfs(), partition: SYSTEM },
        ]),
      );
      expect(config).to.deep.include({
        os: 'linux',
        architecture: 'arm64',
        created: '2020-09-13T12:26:40.000Z',
      });
      expect(config.config).to.deep.equal({ Cmd: ['/podman/runscript'] });
      expect(config.history?.[0]?.comment).to.equal(
        'imported from SIF, uuid: abababab-abab-abab-abab-abababababab',
      );
      const shown = members.map(({ header, text }) => {
        const { name, type, mode, uid, gid, linkname, devmajor, devminor, pax } = header;
        const device = type === 'character-device' ? ` ${devmajor}:${devminor}` : '';
        return `${name} ${type} ${mode?.toString(8)} ${uid}:${(pax as Record<string, string> | null | undefined)?.['gid'] ?? gid} ${linkname ?? text.slice(0, 20)}${device}`;
      });
      const own = `${process.getuid?.()}:${process.getgid?.()}`;
      expect(shown).to.deep.equal([
        `./ directory 711 ${own} `,
        `a "b\\ file 4755 ${own} hello`,
        `di r directory 755 ${own} `,
        'di r/in directory 1777 1000:3000000 ',
        `di r/in/long${'g'.repeat(120)} file 644 ${own} ${'x'.repeat(20)}`,
        `empty file 644 ${own} `,
        `hard link link 4755 ${own} a "b\\`,
        `li nk symlink 777 ${own} a "b\\`,
        'null character-device 666 0:0  1:3',
        'pipe fifo 600 7:8 ',
        'podman directory 755 0:0 ',
        'podman/runscript file 755 0:0 #!/bin/sh\n  A=b\n  ex',
      ]);
      expect(members.at(-1)?.text).to.equal('#!/bin/sh\n  A=b\n  exec echo hi\n');
      expect(members[4]?.text).to.have.length(200_000);
    });

    it('are refused when that is damaged', async () => {
      const content = Buffer.from('hsqs, and no more');
      const error = await failure(sifSource(write([{ type: 0x4004, content, partition: SYSTEM }])));
      expect(error.code).to.equal('ERR_INVALID_IMAGE');
      expect(error.message).to.include('cannot be read');
    });
  });

  it('are refused where they are damaged, or of another kind', async () => {
    const partition = (change: object): SifPart => ({
      type: 0x4004,
      content: Buffer.from('hsqs, and no more'),
      partition: { ...SYSTEM, ...change },
    });
    for (const [parts, version, code] of [
      [[], '01', 'ERR_INVALID_IMAGE'],
      [[partition({ use: 1 })], '01', 'ERR_INVALID_IMAGE'],
      [[partition({ architecture: '99' })], '01', 'ERR_INVALID_IMAGE'],
      [[partition({ fileSystem: 5 })], '01', 'ERR_UNSUPPORTED'],
      [[partition({})], '02', 'ERR_UNSUPPORTED'],
    ] as const) {
      expect((await failure(sifSource(write(parts, version)))).code).to.equal(code);
    }
    const whole = sifOf([partition({})]);
    const path = join(directory, 'b.sif');
    for (const damage of [
      (bytes: Buffer) => bytes.subarray(0, 100),
      (bytes: Buffer) => bytes.subarray(0, 5000),
      (bytes: Buffer) => bytes.subarray(0, -4096),
      (bytes: Buffer) => bytes.fill(0, 32, 40),
      (bytes: Buffer) => bytes.fill(0xff, 88, 96),
      (bytes: Buffer) => bytes.fill(0x7f, 96, 103),
    ]) {
      writeFileSync(path, damage(Buffer.from(whole)));
      expect((await failure(sifSource(path))).code).to.equal('ERR_INVALID_IMAGE');
    }
    expect((await failure(sifSource(join(directory, 'none')))).code).to.equal('ERR_NO_SUCH_PATH');
    expect((await failure(sifSource(directory))).code).to.equal('ERR_INVALID_IMAGE');
    expect((await failure(openSink('sif:/x.sif'))).code).to.equal('ERR_UNSUPPORTED');
  });

  it('need a program', async () => {
    const path = write([{ type: 0x4004, content: Buffer.alloc(1), partition: SYSTEM }]);
    const before = process.env['PATH'];
    process.env['PATH'] = directory;
    try {
      const error = await failure(sifSource(path));
      expect(error.code).to.equal('ERR_HOST_UNSUPPORTED');
      writeFileSync(join(directory, 'unsquashfs'), '#!/bin/sh\necho "invalid option" >&2\nexit 1\n');
      chmodSync(join(directory, 'unsquashfs'), 0o755);
      expect((await failure(sifSource(path))).message).to.include('a later one');
      const stopped = new AbortController();
      writeFileSync(join(directory, 'unsquashfs'), '#!/bin/sh\nexec /bin/sleep 100\n');
      const work = failure(sifSource(path, { signal: stopped.signal }));
      setTimeout(() => stopped.abort(new VainaError('ERR_TIMEOUT', 'enough')), 50);
      expect((await work).code).to.equal('ERR_TIMEOUT');
    } finally {
      process.env['PATH'] = before;
    }
  });

  it('are not believed where the text of their names is none', async () => {
    const read = async (text: string): Promise<string[]> => {
      const path = join(directory, 'pseudo');
      writeFileSync(path, text, 'latin1');
      const file = await open(path);
      try {
        return (await readPseudoFile(file, path)).map((member) => member.name.toString('latin1'));
      } finally {
        await file.close();
      }
    };
    const data = '#\n# START OF DATA - DO NOT MODIFY\n#\n';
    expect(await read(`/ D 1 755 0 0\na R 1 644 0 0 2 0 1\na x user.b=0sYQ==\n${data}xy`)).to.deep.equal([
      './',
      'a',
    ]);
    for (const [text, code] of [
      ['a D 1 755 0\n', 'ERR_UNSUPPORTED'],
      ['a\nb D 1 755 0 0\n', 'ERR_UNSUPPORTED'],
      ['a R 1 644 0 0 1\n', 'ERR_UNSUPPORTED'],
      ['a C 1 644 0 0 1\n', 'ERR_UNSUPPORTED'],
      ['../a D 1 755 0 0\n', 'ERR_INVALID_IMAGE'],
      ['a//b D 1 755 0 0\n', 'ERR_INVALID_IMAGE'],
      ['a L b\n', 'ERR_INVALID_IMAGE'],
      [`a R 1 644 0 0 3 0\n${data}xy`, 'ERR_INVALID_IMAGE'],
      ['a R 1 644 0 0 3 0\n', 'ERR_INVALID_IMAGE'],
      ['x'.repeat(300_000), 'ERR_INVALID_IMAGE'],
    ] as const)
      expect((await failure(read(text))).code, text.slice(0, 30)).to.equal(code);
  });

  it('have a script where their definition has one', () => {
    expect(runscriptOf('Bootstrap: docker\nFrom: x\n%post\n apt\n', 'sh')).to.equal(undefined);
    expect(runscriptOf('%runscript\n\n#!/bin/bash\nrun\n\n%labels\nA b\n', 'sh')).to.equal(
      '#!/bin/bash\nrun\n',
    );
    expect(runscriptOf('%environment\n export A=b\n%test\n x\n', 'bash')).to.equal(
      '#!/bin/sh\n export A=b\nexec bash\n',
    );
  });
});
