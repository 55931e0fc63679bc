import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  nodeArguments,
  runProgram,
  SLOW,
  until,
  useEngine,
  vaina,
  type Ended,
} from '../support/containers.js';
import { requires } from '../support/requires.js';

const ID = /^[0-9a-f]{64}\n$/;

describe('cli: containers', () => {
  requires('root');
  const box = useEngine();
  const run = (...args: string[]): Promise<Ended> => vaina(box, args);

  /** Output of a command that must succeed. */
  const output = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await run(...args);
    expect(exitCode, `${args.join(' ')}: ${stderr}`).to.equal(0);
    return stdout;
  };

  /** The command line as a process that the test talks to. */
  const start = (...args: string[]): ChildProcess & { text: string } => {
    const child = spawn(
      process.execPath,
      [...nodeArguments('lib/cli/main'), '--root', box.root, '--runroot', box.runroot, ...args],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    ) as ChildProcess & { text: string };
    child.text = '';
    child.stdout!.on('data', (chunk: Buffer) => (child.text += chunk.toString()));
    return child;
  };
  /** Not `close`: a container may hold on to the pipes. */
  const ended = (child: ChildProcess): Promise<number | null> =>
    new Promise((done) => child.on('exit', (code) => done(code)));

  it('run ends with the exit code of the command', async () => {
    const codes = [0, 7, 125, 126, 127];
    const ended = await Promise.all([
      ...codes.map((code) => run('run', '--rm', box.image, 'sh', '-c', `exit ${code}`)),
      run('run', '--rm', '--init', box.image, 'sh', '-c', 'kill -9 $$'),
    ]);
    expect(ended.map(({ exitCode }) => exitCode)).to.deep.equal([...codes, 137]);
  });

  it('run ends with 127, 126 or 125 when there is nothing to run', async () => {
    const cases = [
      [['--rm', box.image, 'nosuch'], 127, /^Error: .*nosuch/],
      [['--rm', box.image, '/etc/passwd'], 126, /^Error: .*\/etc\/passwd/],
      [['--rm', '--pull=never', 'localhost/nosuch', 'true'], 125, /^Error: .*nosuch/],
      [['--rm', '--memory', 'abc', box.image, 'true'], 125, /^Error: .*abc/],
      [
        ['--rm', '--publish', '80', box.image, 'true'],
        125,
        /^Error: unknown flag: --publish\nSee 'vaina run --help'\n$/,
      ],
    ] as const;
    const results = await Promise.all(cases.map(([argv]) => run('run', ...argv)));
    for (const [i, [argv, code, message]] of cases.entries()) {
      expect(results[i]?.exitCode, argv.join(' ')).to.equal(code);
      expect(results[i]?.stderr).to.match(message);
      expect(results[i]?.stdout).to.equal('');
    }
    expect(await output('ps', '-aq')).to.equal('');
  });

  it('run keeps stdout and stderr apart, and takes stdin only with -i', async () => {
    const both = await run('run', '--rm', box.image, 'sh', '-c', 'echo out; echo err >&2');
    expect(both).to.deep.include({ stdout: 'out\n', stderr: 'err\n' });
    const text = 'x'.repeat(300_000);
    expect((await vaina(box, ['run', '--rm', '-i', box.image, 'cat'], text)).stdout).to.equal(text);
    expect((await vaina(box, ['run', '--rm', box.image, 'cat'], text)).stdout).to.equal('');
  });

  it('run hands its flags on', async () => {
    const files = box.directory;
    writeFileSync(join(files, 'env'), 'FROM_FILE=1\n');
    const script = 'echo $A $FROM_FILE $(pwd) $(id -u) $(hostname) $(cat /mnt/env) $(umask)';
    const flags = ['-e', 'A=b', '--env-file', join(files, 'env'), '-w', '/tmp', '-u', 'alice', '-h', 'box'];
    expect(
      await output(
        'run',
        '--rm',
        ...flags,
        '-v',
        `${files}:/mnt:ro`,
        '--umask',
        '077',
        box.image,
        'sh',
        '-c',
        script,
      ),
    ).to.equal('b 1 /tmp 1000 box FROM_FILE=1 0077\n');
    expect(await output('run', '--rm', '--entrypoint', '["echo","a"]', box.image, 'b')).to.equal('a b\n');
    expect(
      await output('run', '--rm', '--rootfs', join(box.directory, 'busybox-root:O'), '/bin/echo', 'hi'),
    ).to.equal('hi\n');
  });

  it('has the whole life of a container', async () => {
    const cidfile = join(box.directory, 'cid');
    const flags = ['--name', 'web', '--label', 'a=b', '--cidfile', cidfile];
    const id = await output(
      'run',
      '-d',
      ...flags,
      box.image,
      'sh',
      '-c',
      'echo one; echo two >&2; sleep 1000',
    );
    expect(id).to.match(ID);
    expect(readFileSync(cidfile, 'utf8')).to.equal(id.trim());
    const short = id.slice(0, 12);

    expect(await output('ps', '-q')).to.equal(`${short}\n`);
    expect(await output('ps')).to.match(
      new RegExp(
        `^CONTAINER ID  IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n${short}  ${box.image} +sh -c echo one; e\\.\\.\\. .* ago +Up .+ web\n$`,
      ),
    );
    expect(await output('ps', '--filter', 'label=a=b', '--format', '{{.Names}} {{.State}}')).to.equal(
      'web running\n',
    );
    expect(
      await output('inspect', '--format', '{{.Id}} {{.State.Running}} {{.Config.Labels.a}}', 'web'),
    ).to.equal(`${id.trim()} true b\n`);
    const [inspected] = JSON.parse(await output('container', 'inspect', short)) as { Name: string }[];
    expect(inspected?.Name).to.equal('web');

    await until('both lines are logged', async () => (await run('logs', 'web')).stderr === 'two\n');
    expect(await output('logs', '--tail', '5', 'web')).to.equal('one\n');
    expect(await output('logs', '-t', 'web')).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z one\n$/);

    const [variable, typed, ...failed] = await Promise.all([
      output('exec', '-e', 'X=1', 'web', 'sh', '-c', 'echo $X'),
      vaina(box, ['exec', '-i', 'web', 'cat'], 'typed'),
      run('exec', 'web', 'sh', '-c', 'exit 9'),
      run('exec', 'web', 'nosuch'),
      run('exec', 'web', '/etc/passwd'),
    ]);
    expect([variable, typed.stdout]).to.deep.equal(['1\n', 'typed']);
    expect(failed.map(({ exitCode }) => exitCode)).to.deep.equal([9, 127, 126]);

    expect(await run('rm', 'web')).to.deep.include({ exitCode: 2, stdout: '' });
    expect((await run('run', '--name', 'web', box.image, 'true')).exitCode).to.equal(125);
    expect(await output('stop', '-t', '0', 'web')).to.equal('web\n');
    expect(await output('wait', 'web')).to.equal('137\n');
    expect(await output('ps', '-a', '--format', '{{.Status}}')).to.match(/^Exited \(137\) .* ago\n$/);
    expect((await run('exec', 'web', 'true')).exitCode).to.equal(125);
    expect(await output('start', short)).to.equal(`${short}\n`);
    expect(await output('kill', '-s', 'KILL', 'web')).to.equal('web\n');
    expect(await output('rm', '-f', 'web')).to.equal('web\n');
    expect(await run('rm', 'web')).to.deep.include({ exitCode: 1, stdout: '' });
    expect((await run('container', 'exists', 'web')).exitCode).to.equal(1);
  });

  it('create and start -a make a run', async () => {
    const id = await output('create', '--name', 'made', '-i', box.image, 'sh', '-c', 'cat; exit 3');
    expect(id).to.match(ID);
    expect(await output('ps', '-a', '--format', '{{.Status}}')).to.equal('Created\n');
    expect(await vaina(box, ['start', '-ai', 'made'], 'hello')).to.deep.include({
      exitCode: 3,
      stdout: 'hello',
    });
    expect(await output('wait', 'made')).to.equal('3\n');
    expect(await output('rm', 'made')).to.equal('made\n');
  });

  it('passes signals on to the command', async () => {
    const child = start(
      'run',
      '--rm',
      box.image,
      'sh',
      '-c',
      'trap "exit 42" TERM; echo ready; while :; do sleep 0.05; done',
    );
    await until('the command is ready', () => child.text === 'ready\n', 10_000 * SLOW);
    child.kill('SIGTERM');
    expect(await ended(child)).to.equal(42);
  });

  it('leaves the container alone when it is killed itself', async () => {
    const child = start('run', '--name', 'survivor', box.image, 'sh', '-c', 'echo ready; sleep 1000');
    await until('the command is ready', () => child.text === 'ready\n', 10_000 * SLOW);
    child.kill('SIGKILL');
    await ended(child);
    expect(await output('ps', '--format', '{{.Names}}')).to.equal('survivor\n');
    expect(await output('exec', 'survivor', 'echo', 'alive')).to.equal('alive\n');
    await output('rm', '-f', '-t', '0', 'survivor');
  });

  it('follows a log to the end of the container', async () => {
    const echo = 'while read line; do [ "$line" = bye ] && break; echo "$line"; done; printf "no newline"';
    await output('run', '-d', '--name', 'talker', '-i', box.image, 'sh', '-c', echo);
    const logs = start('logs', '-f', 'talker');
    const writer = start('start', '-ai', 'talker');
    writer.stdin!.write('first\n');
    await until('the line is followed', () => logs.text === 'first\n', 10_000 * SLOW);
    const codes = Promise.all([ended(writer), ended(logs)]);
    writer.stdin!.end('bye\n');
    expect(await codes).to.deep.equal([0, 0]);
    expect(logs.text).to.equal('first\nno newline');
    expect(writer.text).to.equal('first\nno newline');
    await output('rm', 'talker');
  });

  it('is quiet when nobody reads', async () => {
    const command = [
      process.execPath,
      ...nodeArguments('lib/cli/main'),
      '--root',
      box.root,
      '--runroot',
      box.runroot,
    ];
    const { stdout, stderr } = await runProgram('bash', [
      '-c',
      `${command.join(' ')} ps | true; echo "\${PIPESTATUS[0]}"`,
    ]);
    expect(stderr).to.equal('');
    expect(stdout.trim()).to.be.oneOf(['0', '141']);
  });
});

describe('cli: terminals', () => {
  requires('root');
  const box = useEngine();

  /** Runs a shell script on a new terminal of 24 × 80; `$VAINA` is the command line. */
  const onTerminal = (script: string): ChildProcess & { text: string } => {
    const command = [
      process.execPath,
      ...nodeArguments('lib/cli/main'),
      '--root',
      box.root,
      '--runroot',
      box.runroot,
    ];
    const child = spawn('script', ['-qefc', `stty rows 24 cols 80; ${script}`, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, VAINA: command.join(' '), SHELL: '/bin/sh' },
    }) as ChildProcess & { text: string };
    child.text = '';
    child.stdout!.on('data', (chunk: Buffer) => (child.text += chunk.toString()));
    return child;
  };
  const ended = (child: ChildProcess): Promise<number | null> =>
    new Promise((done) => child.on('close', (code) => done(code)));

  it('run -it is raw, has the size of the terminal, and follows it', async () => {
    const flag = join(box.directory, 'ready');
    mkdirSync(flag);
    const inside =
      'trap "stty size" WINCH; stty size; while :; do read -t 1 line; [ "$line" = bye ] && exit 5; done';
    const resizer = `(while [ -e ${flag} ]; do sleep 0.05; done; stty rows 50 cols 132 </dev/tty) &`;
    const child = onTerminal(
      `${resizer} $VAINA run --rm -it ${box.image} sh -c '${inside}'; echo "code $?"; stty -a | grep -o ' icanon'`,
    );
    await until('the size is printed', () => child.text.includes('24 80\r\n'), 10_000 * SLOW);
    await runProgram('rmdir', [flag]);
    await until('the new size is printed', () => child.text.includes('50 132\r\n'), 10_000 * SLOW);
    child.stdin!.write('bye\r');
    await ended(child);
    expect(child.text).to.contain('code 5').and.to.contain(' icanon');
  });

  it('detaches at ctrl-p ctrl-q, and attaches again', async () => {
    const child = onTerminal(`$VAINA run --name tty -it ${box.image} sh; echo "code $?"`);
    child.stdin!.write('echo $((40+2))\r');
    await until('the shell answers', () => child.text.includes('42\r\n'), 10_000 * SLOW);
    child.stdin!.write('\x10\x11');
    await until('it has detached', () => child.text.includes('code 0'), 10_000 * SLOW);
    child.stdin!.end();
    await ended(child);
    const { stdout } = await vaina(box, ['ps', '--format', '{{.Names}} {{.State}}']);
    expect(stdout).to.equal('tty running\n');

    const again = onTerminal('$VAINA start -ai tty; echo "code $?"');
    again.stdin!.write('echo $((20+3))\r');
    await until('the shell answers', () => again.text.includes('23\r\n'), 10_000 * SLOW);
    again.stdin!.write('exit 6\r');
    await until('it has ended', () => again.text.includes('code 6'), 10_000 * SLOW);
    again.stdin!.end();
    await ended(again);
  });

  it('exec -it has a terminal of its own', async () => {
    await vaina(box, ['run', '-d', '--name', 'host', box.image, 'sleep', '1000']);
    const child = onTerminal(`$VAINA exec -it host sh -c 'tty; stty size; exit 8'; echo "code $?"`);
    await until('it has ended', () => child.text.includes('code '), 10_000 * SLOW);
    child.stdin!.end();
    await ended(child);
    expect(child.text).to.match(/\/dev\/pts\/\d+\r\n24 80\r\ncode 8/);
    await vaina(box, ['rm', '-f', '-t', '0', 'host']);
    expect(existsSync(join(box.runroot, 'containers', 'host'))).to.equal(false);
  });
});

describe('cli: images', () => {
  requires('root');
  const box = useEngine();
  const run = (...args: string[]): Promise<Ended> => vaina(box, args);

  it('imports, tags, lists, inspects and removes', async () => {
    const archive = join(box.directory, 'busybox-root.tar');
    const imported = await run(
      'import',
      '-q',
      '-c',
      'CMD ["echo", "imported"]',
      '-c',
      'LABEL a=b',
      archive,
      'mine:1',
    );
    expect(imported.stdout).to.match(/^sha256:[0-9a-f]{64}\n$/);
    const id = imported.stdout.trim().slice(7);
    expect((await run('run', '--rm', 'mine:1')).stdout).to.equal('imported\n');
    expect((await run('image', 'exists', 'mine:1')).exitCode).to.equal(0);
    expect(await run('tag', 'mine:1', 'other', 'localhost:5000/x/y:2')).to.deep.include({
      exitCode: 0,
      stdout: '',
    });
    expect(
      (
        await run(
          'images',
          '--format',
          '{{.Repository}}:{{.Tag}} {{.ID}}',
          '--sort',
          'repository',
          '--filter',
          'label=a=b',
        )
      ).stdout,
    ).to.equal(
      ['localhost/mine:1', 'localhost/other:latest', 'localhost:5000/x/y:2']
        .map((name) => `${name} ${id.slice(0, 12)}\n`)
        .join(''),
    );
    expect(
      (await run('image', 'inspect', '--format', '{{.Id}} {{.Config.Cmd}} {{.Config.Labels.a}}', 'other'))
        .stdout,
    ).to.equal(`${id} [echo imported] b\n`);
    expect((await run('rmi', 'other')).stdout).to.equal('Untagged: localhost/other:latest\n');
    expect((await run('rmi', id.slice(0, 12))).exitCode).to.equal(125);
    await run('create', '--name', 'user', 'mine:1');
    expect((await run('rmi', '-f', 'localhost:5000/x/y:2')).stdout).to.equal(
      'Untagged: localhost:5000/x/y:2\n',
    );
    expect((await run('rmi', 'mine:1')).exitCode).to.equal(2);
    await run('rm', 'user');
    expect((await run('rmi', 'mine:1')).stdout).to.equal(`Untagged: localhost/mine:1\nDeleted: ${id}\n`);
    expect((await run('rmi', 'mine:1')).exitCode).to.equal(1);
  });

  it('reads an import from stdin', async () => {
    const command = [
      process.execPath,
      ...nodeArguments('lib/cli/main'),
      '--root',
      box.root,
      '--runroot',
      box.runroot,
    ];
    const archive = join(box.directory, 'busybox-root.tar');
    const { stdout, exitCode } = await runProgram('sh', [
      '-c',
      `cat ${archive} | ${command.join(' ')} import -q - piped`,
    ]);
    expect(exitCode).to.equal(0);
    expect(stdout).to.match(/^sha256:/);
    expect((await run('rmi', 'piped')).exitCode).to.equal(0);
  });
});
