import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  lutimesSync,
} from 'node:fs';
import { join } from 'node:path';

/**
 * A tree with everything that a layer can carry: set-user-id programs, sticky directories, owners, hard links of files
 * and of links, file capabilities and other attributes, nodes, a fifo, holes, long names, names that are not UTF-8,
 * times with fractions. Packed by GNU tar.
 *
 * @returns the archive
 */
export function packOddTree(directory: string, format: 'pax' | 'gnu'): string {
  const root = join(directory, `odd-${format}`);
  const archive = join(directory, `odd-${format}.tar`);
  if (existsSync(archive)) return archive;
  const path = (name: string): string => join(root, name);
  for (const name of [
    'bin',
    'dev',
    'var/tmp',
    'empty',
    'locked',
    `deep/${'d/'.repeat(40)}`,
    'l'.repeat(120),
  ]) {
    mkdirSync(path(name), { recursive: true });
  }
  writeFileSync(path('bin/su'), 'set-user-id');
  writeFileSync(path('bin/ping'), 'capable');
  writeFileSync(path('bin/wall'), 'set-group-id');
  writeFileSync(path('large'), Buffer.alloc(3_000_001, 'large'));
  writeFileSync(path('nothing'), '');
  writeFileSync(path(`${'l'.repeat(120)}/${'n'.repeat(150)}`), 'long');
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe, 0x20, 0x0a])]), 'not UTF-8');
  writeFileSync(path('holes'), 'begin');
  truncateSync(path('holes'), 5_000_000);
  execFileSync('sh', [
    '-c',
    `printf middle | dd of="$1" bs=1 seek=2000000 conv=notrunc status=none`,
    'sh',
    path('holes'),
  ]);
  linkSync(path('bin/su'), path('bin/sudo'));
  linkSync(path('large'), path('var/large'));
  symlinkSync('../bin/su', path('var/link'));
  symlinkSync('/'.padEnd(180, 'x'), path('var/long-link'));
  linkSync(path('var/link'), path('var/link-again'));
  execFileSync('mknod', [path('dev/null'), 'c', '1', '3']);
  execFileSync('mknod', [path('dev/loop'), 'b', '7', '300']);
  execFileSync('mkfifo', [path('dev/fifo')]);
  for (const [name, owner] of [
    ['bin/wall', '0:5'],
    ['nothing', '1000:2000'],
    ['var/link', '7:8'],
    ['dev/null', '3:4'],
    ['empty', '65534:65534'],
  ]) {
    execFileSync('chown', ['-h', owner as string, path(name as string)]);
  }
  for (const [name, mode] of [
    ['bin/su', 0o4755],
    ['bin/wall', 0o2755],
    ['bin/ping', 0o711],
    ['var/tmp', 0o1777],
    ['locked', 0o000],
    ['nothing', 0o000],
    ['dev/null', 0o666],
    ['empty', 0o2770],
  ] as const) {
    chmodSync(path(name), mode);
  }
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'of a file', path('large')]);
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'of a directory', path('var')]);
  execFileSync('setfattr', ['-n', 'trusted.note', '-v', 'trusted', path('bin')]);
  execFileSync('setfattr', [
    '-n',
    'security.capability',
    '-v',
    '0x0100000200200000000000000000000000000000',
    path('bin/ping'),
  ]);
  execFileSync('setfacl', ['-m', 'u:1000:rw', path('large')]);
  utimesSync(path('large'), 1_600_000_000.25, 1_600_000_000.125);
  utimesSync(path('bin/su'), 0, 0);
  lutimesSync(path('var/link'), 1_500_000_000, 1_500_000_000.5);
  utimesSync(path('empty'), 4_000_000_000, 4_000_000_000);
  utimesSync(path('var'), 1_234_567_890, 1_234_567_890);
  // Podman does not read sparse files in GNU's old format.
  const options =
    format === 'pax'
      ? ['--format=pax', '--sparse', '--xattrs', '--xattrs-include=*', '--acls']
      : ['--format=gnu'];
  execFileSync('tar', ['-C', root, '--numeric-owner', ...options, '-cf', archive, '.']);
  return archive;
}
