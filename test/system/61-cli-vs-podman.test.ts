import { join } from 'node:path';
import { expect } from 'chai';
import { makeDirectory, removeDirectory, useEngine, vaina } from '../support/containers.js';
import { Podman, PODMAN_LIMITS } from '../support/podman.js';
import { requires } from '../support/requires.js';

/** What differs from one run to the next, and the names of the two programs. */
function settle(text: string): string {
  return text
    .replace(/\b[0-9a-f]{64}\b/g, '<ID>')
    .replace(/\b[0-9a-f]{12}\b/g, '<SHORT>')
    .replace(/\b(podman|vaina)\b/g, '<program>')
    .replace(/(Less than a|About a|\d+) (second|minute)s?( ago)?/g, '<time>')
    .replace(/ {2,}/g, '  ')
    .replace(/ +$/gm, '');
}

describe('cli: the same words get the same answers as from podman', () => {
  requires('root', 'podman', 'runc');
  let podman: Podman | undefined;
  let directory: string | undefined;
  // Before useEngine, whose last act is to look for what was left on the host.
  after(() => {
    podman?.dispose();
    if (directory !== undefined) removeDirectory(directory);
  });
  const box = useEngine();
  before(() => {
    directory = makeDirectory();
    podman = new Podman(directory);
    const changes = ['-c', 'CMD ["sh"]', '-c', 'ENV PATH=/bin'];
    podman.output(
      'import',
      '--quiet',
      ...changes,
      join(box.directory, 'busybox-root.tar'),
      'localhost/busybox:test',
    );
  });

  const run = ['run', '--network', 'none', ...PODMAN_LIMITS];
  const create = ['create', '--network', 'none', ...PODMAN_LIMITS];
  const image = 'localhost/busybox:test';

  /**
   * In both at once: stdout and exit code must be the same, and whether anything was said on stderr. Stages come one after
   * another; commands of one stage are in no order.
   */
  const script: string[][][] = [
    [
      [...run, '--rm', image, 'echo', 'hi'],
      [...run, '--rm', image, 'sh', '-c', 'exit 7'],
      [...run, '--rm', image, 'nosuch'],
      [...run, '--rm', image, '/etc'],
      [...run, '--rm', '--pull=never', 'localhost/nosuch', 'true'],
      [...run, '--foo'],
      [...run, '-Z'],
      ['run'],
      ['run', '--name'],
      ['run', '--rm=foo', image, 'true'],
      ['run', '--cpus', 'abc', image, 'true'],
      ['run', '--pull', 'foo', image, 'true'],
      ['run', '--replace', image, 'true'],
      ['run', '--sysctl', 'foo', image, 'true'],
      ['run', '-e', '=x', image, 'true'],
      ['frobnicate'],
      ['container', 'frobnicate'],
      ['--foo'],
    ],
    [
      ['ps'],
      ['ps', '-q'],
      ['ps', '--format', 'json'],
      ['ps', 'extra'],
      ['ps', '--filter', 'foo=bar'],
      ['ps', '--filter', 'bar'],
    ],
    [[...create, '--name', 'one', '--label', 'x=y', image, 'sh', '-c', 'echo a rather long command']],
    [[...create, '--name', 'two', image, 'sleep', '1000']],
    [
      ['ps', '-a', '--sort', 'names'],
      ['ps', '-a', '--no-trunc', '--sort', 'names'],
      ['ps', '-aq', '--no-trunc'],
      ['ps', '-a', '--sort', 'names', '--noheading'],
      [
        'ps',
        '-a',
        '--sort',
        'names',
        '--format',
        '{{.ID}}\\t{{.Names}} {{.Image}} {{.Command}} {{.Labels}} {{.Pid}} {{.Exited}}',
      ],
      ['ps', '-a', '--sort', 'names', '--format', 'table {{.ID}} {{.Names}}\\t{{.Status}}'],
      ['ps', '-n', '1', '--format', '{{.Names}}'],
      ['ps', '-a', '--filter', 'label=x', '--format', '{{.Names}}'],
      ['ps', '-a', '--filter', 'name=tw', '--format', '{{.Names}}'],
      ['ps', '--filter', 'status=created', '--sort', 'names', '--format', '{{.Names}}'],
    ],
    [['start', 'one']],
    [['wait', 'one']],
    [
      ['logs', 'one'],
      ['logs', '--tail', '0', 'one'],
      ['logs', '--tail', 'x', 'one'],
      ['logs', '--since', 'foo', 'one'],
    ],
    [['start', '-a', 'one']],
    [['start', 'two']],
    [['start', 'two']],
    [
      ['exec', 'two', 'sh', '-c', 'echo exec; exit 4'],
      ['exec', 'two', 'nosuch'],
      ['exec', 'two', '/etc'],
      ['exec'],
      [
        'inspect',
        '--format',
        '{{.Name}} {{.State.Running}} {{.State.Status}} {{.State.ExitCode}} {{.Config.Cmd}}',
        'one',
        'two',
      ],
      [
        'inspect',
        '--format',
        '{{.Config.Labels.x}} {{json .Config.Labels}} {{len .Config.Cmd}} {{index .Config.Cmd 0}}',
        'one',
      ],
      [
        'inspect',
        '--format',
        '{{range .Config.Cmd}}<{{.}}>{{end}}{{if .State.Running}}up{{else}}down{{end}}',
        'one',
      ],
      ['inspect', '--type', 'foo', 'one'],
      ['inspect'],
    ],
    [
      ['rm', 'two'],
      ['rm', 'nosuch'],
      ['rm', '-i', 'nosuch'],
      ['rm', '-f', 'nosuch'],
      ['rm'],
      ['rm', '-a', 'x'],
      ['kill', 'one'],
      ['kill', '-s', 'FOO', 'two'],
    ],
    [['kill', 'two']],
    [['wait', 'two']],
    [
      ['stop', 'one'],
      ['stop', 'two'],
      ['stop', 'nosuch'],
      ['stop', '-i', 'nosuch'],
      ['wait', 'nosuch'],
      ['logs', 'nosuch'],
    ],
    [
      ['rm', 'one'],
      ['rm', 'two'],
    ],
    [
      ['container', 'exists', 'one'],
      ['images', '--format', '{{.Repository}} {{.Tag}} {{.ID}} {{.Dangling}}'],
      ['images', '--noheading', '--format', '{{.Repository}}', 'nosuch'],
    ],
    [['tag', image, 'foo', '127.0.0.1:5000/x/y:3']],
    [
      ['images', '--sort', 'repository', '--format', 'table {{.Repository}} {{.Tag}} {{.ID}}'],
      ['images', '-q'],
      ['images', '--sort', 'foo'],
      ['images', '--filter', 'foo=x'],
      ['images', 'a', 'b'],
      ['image', 'exists', 'foo'],
    ],
    [['rmi', 'foo']],
    [
      ['image', 'exists', 'foo'],
      ['untag', '127.0.0.1:5000/x/y:3', '127.0.0.1:5000/x/y:3'],
    ],
    [
      ['rmi', 'nosuch'],
      ['rmi', '-i', 'nosuch'],
      ['rmi'],
      ['tag', 'nosuch', 'a'],
      ['tag', image],
      ['import'],
      ['pull'],
      ['load', '-i', '/nosuch'],
    ],
    [['rmi', image]],
    [['images']],
  ];

  const compare = async (words: string[]): Promise<void> => {
    const [theirs, ours] = await Promise.all([podman!.run(...words), vaina(box, words)]);
    const shown = (result: typeof ours): object => ({
      exitCode: result.exitCode,
      stdout: settle(result.stdout),
      said: result.stderr !== '',
    });
    expect(shown(ours), `${words.join(' ')}\npodman: ${theirs.stderr}\nvaina: ${ours.stderr}`).to.deep.equal(
      shown(theirs),
    );
    // What is wrong with the command line itself is said in the same words.
    if (
      /^Error: (unknown|flag needs|invalid argument|unrecognized|requires at|accepts)/.test(theirs.stderr)
    ) {
      expect(settle(ours.stderr)).to.equal(settle(theirs.stderr));
    }
  };

  it('in a script of all commands', async function () {
    this.timeout(300_000);
    for (const stage of script) {
      // More at once would only wait for one another.
      for (let i = 0; i < stage.length; i += 3) {
        const ended = await Promise.allSettled(stage.slice(i, i + 3).map(compare));
        for (const one of ended) if (one.status === 'rejected') throw one.reason;
      }
    }
  });
});
