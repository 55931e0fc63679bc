import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ContainerOptions } from '../../lib/index.js';
import { expectError, makeBusyboxRoot, until, useEngine } from '../support/containers.js';
import { requires } from '../support/requires.js';

describe('options of a container', () => {
  requires('root');
  const box = useEngine();

  async function output(script: string, options: ContainerOptions = {}): Promise<string> {
    const result = await box.engine.run(box.image, ['sh', '-c', script], options);
    expect(result.exitCode, String(result.stderr)).to.equal(0);
    return String(result.stdout);
  }

  it('env: over the image’s, and without what is set to undefined', async () => {
    const lines = (await output('env', { env: { ADDED: 'a b=c', EMPTY: '', FROM_IMAGE: undefined } })).split(
      '\n',
    );
    expect(lines).to.include.members(['ADDED=a b=c', 'EMPTY=', 'PATH=/bin', 'HOME=/root']);
    expect(lines.filter((line) => line.startsWith('FROM_IMAGE'))).to.deep.equal([]);
    expect(lines.find((line) => line.startsWith('HOSTNAME='))).to.match(/^HOSTNAME=[0-9a-f]{12}$/);
  });

  it('env: nothing of this process', async () => {
    process.env['VAINA_TEST_SECRET'] = 'canary';
    expect(await output('env')).to.not.contain('canary');
    delete process.env['VAINA_TEST_SECRET'];
  });

  for (const [user, uid, gid, groups] of [
    ['alice', '1000', '1000', '29 50 1000'],
    ['1000', '1000', '1000', '29 50 1000'],
    ['1000:0', '1000', '0', '0'],
    ['alice:audio', '1000', '29', '29'],
    ['4242', '4242', '0', '0'],
    ['4242:4343', '4242', '4343', '4343'],
    ['root', '0', '0', '0 29'],
    [undefined, '0', '0', '0 29'],
  ] as const) {
    it(`user: ${user} is ${uid}:${gid}, groups ${groups}`, async () => {
      const text = await output('id -u; id -g; id -G', user === undefined ? {} : { user });
      const [u, g, all] = text.split('\n');
      expect([u, g]).to.deep.equal([uid, gid]);
      expect(
        all
          ?.split(' ')
          .sort((a, b) => Number(a) - Number(b))
          .join(' '),
      ).to.equal(groups);
    });
  }

  it('user: one that is not there is refused', async () => {
    await expectError('ERR_NO_SUCH_USER', box.engine.run(box.image, ['true'], { user: 'nobody-here' }));
    await expectError('ERR_NO_SUCH_USER', box.engine.run(box.image, ['true'], { user: 'alice:nobodies' }));
  });

  it('groupAdd: beside the image’s', async () => {
    const groups = (await output('id -G', { user: 'alice', groupAdd: ['daemon', '777'] })).trim().split(' ');
    expect(groups).to.have.members(['1000', '50', '29', '1', '777']);
  });

  it('workdir: one that is there; the image’s own is made', async () => {
    expect(await output('pwd')).to.equal('/\n');
    expect(await output('pwd', { workdir: '/home/alice' })).to.equal('/home/alice\n');
    await expectError('ERR_STEP_FAILED', box.engine.run(box.image, ['true'], { workdir: '/new/deep' }));
    await expectError('ERR_INVALID_OPTION', box.engine.run(box.image, ['true'], { workdir: 'relative' }));
  });

  it('hostname: in the kernel, in /etc/hostname and /etc/hosts', async () => {
    const text = await output('hostname; cat /etc/hostname; grep -c "\\bpeapod\\b" /etc/hosts', {
      hostname: 'peapod',
    });
    expect(text).to.equal('peapod\npeapod\n1\n');
  });

  it('entrypoint and command', async () => {
    const container = await box.engine.containers.create(box.image, {
      entrypoint: ['echo', 'a'],
      command: ['b', 'c'],
    });
    await container.start();
    await container.wait();
    const lines: string[] = [];
    for await (const line of container.logs()) lines.push(line.text);
    expect(lines).to.deep.equal(['a b c']);
    await container.remove();
  });

  it('readOnly: nothing but the usual places can be written', async () => {
    const script =
      'for d in / /etc /root /tmp /run /var/tmp /dev /dev/shm; do touch $d/x 2>/dev/null && echo $d; done; true';
    expect(await output(script, { readOnly: true })).to.equal('/tmp\n/run\n/var/tmp\n/dev\n/dev/shm\n');
    const bare = await output(script, { readOnly: true, readOnlyTmpfs: false });
    expect(bare.split('\n')).to.not.include.members(['/tmp', '/run', '/var/tmp', '/etc']);
  });

  it('volumes: binds of directories and files, read-write and read-only', async () => {
    const data = join(box.directory, 'data');
    mkdirSync(data);
    writeFileSync(join(data, 'in'), 'from the host\n');
    const volumes = [`${data}:/data`, `${data}:/ro:ro`, `${data}/in:/etc/one-file:ro`];
    const script =
      'cat /data/in /etc/one-file; echo back >/data/out; touch /ro/x 2>/dev/null || echo ro; echo x 2>/dev/null >>/etc/one-file || echo ro';
    expect(await output(script, { volumes })).to.equal('from the host\nfrom the host\nro\nro\n');
    expect(readFileSync(join(data, 'out'), 'utf8')).to.equal('back\n');
    const mountinfo = await output('grep -E " (/data|/ro) " /proc/self/mountinfo', {
      volumes: [`${data}:/data:noexec,nosuid`, `${data}:/ro:ro`],
    });
    expect(mountinfo)
      .to.match(/ \/data rw,[^ ]*nosuid[^ ]*noexec/)
      .and.match(/ \/ro ro,/);
  });

  it('volumes: a missing source and a malformed one are refused', async () => {
    const run = (volume: string): Promise<unknown> =>
      box.engine.run(box.image, ['true'], { volumes: [volume] });
    await expectError('ERR_NO_SUCH_PATH', run(`${box.directory}/nowhere:/data`));
    await expectError('ERR_INVALID_OPTION', run('/tmp:relative'));
    await expectError('ERR_INVALID_OPTION', run('/tmp:/data:nonsense'));
    await expectError('ERR_INVALID_OPTION', run(':/data'));
  });

  it('tmpfs: with podman’s default options, or those given', async () => {
    const text = await output('grep " /scratch" /proc/self/mountinfo; touch /scratch/x', {
      tmpfs: ['/scratch', '/scratch2:size=1m,exec'],
    });
    expect(text).to.match(/ \/scratch rw,nosuid,nodev,noexec[^ ]* - tmpfs tmpfs/);
    expect(text).to.match(/ \/scratch2 rw,nosuid,nodev,(?!.*noexec)[^\n]*size=1024k/);
  });

  it('devices: nodes of the host, under another name, with fewer rights', async () => {
    const script =
      'head -c 2 /dev/null2 | wc -c; head -c 2 /dev/zero2 | wc -c; (echo x >/dev/zero2) 2>/dev/null || echo refused';
    const devices = ['/dev/null:/dev/null2', '/dev/zero:/dev/zero2:r'];
    expect(await output(script, { devices })).to.match(/^0\n2\n/);
    await expectError(
      'ERR_NO_SUCH_PATH',
      box.engine.run(box.image, ['true'], { devices: ['/dev/no-such-device'] }),
    );
  });

  it('sysctls: of its own namespaces only', async () => {
    expect(
      await output('cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced', {
        sysctls: { 'net.ipv4.ip_forward': '1', 'kernel.shm_rmid_forced': '1' },
      }),
    ).to.equal('1\n1\n');
    const before = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
    for (const sysctls of [
      { 'kernel.core_pattern': '/x' },
      { 'net/../kernel/core_pattern': '/x' },
      { 'net.ipv4.ip_forward': '1\nx' },
    ]) {
      await expectError('ERR_INVALID_OPTION', box.engine.run(box.image, ['true'], { sysctls: sysctls }));
    }
    await expectError(
      'ERR_INVALID_OPTION',
      box.engine.run(box.image, ['true'], { network: 'host', sysctls: { 'net.ipv4.ip_forward': '1' } }),
    );
    expect(readFileSync('/proc/sys/kernel/core_pattern', 'utf8')).to.equal(before);
  });

  it('network: none has lo and it is up, host is the host’s', async () => {
    expect(await output('ls /sys/class/net; ip addr show lo | grep -c "inet 127.0.0.1"')).to.equal('lo\n1\n');
    const host = readFileSync('/proc/self/net/dev', 'utf8').split('\n').length;
    expect(await output('wc -l </proc/self/net/dev', { network: 'host' })).to.equal(`${host - 1}\n`);
  });

  it('rootfs: a directory as it is, or under an overlay', async () => {
    const root = makeBusyboxRoot(join(box.directory, 'plain'));
    const direct = await box.engine.run(null, ['/bin/sh', '-c', 'echo direct >/made; cat /made'], {
      rootfs: root,
      env: { PATH: '/bin' },
    });
    expect(direct.stdout).to.equal('direct\n');
    expect(readFileSync(join(root, 'made'), 'utf8')).to.equal('direct\n');
    const over = await box.engine.run(null, ['/bin/sh', '-c', 'echo over >/made; cat /made'], {
      rootfs: `${root}:O`,
      env: { PATH: '/bin' },
    });
    expect(over.stdout).to.equal('over\n');
    expect(readFileSync(join(root, 'made'), 'utf8')).to.equal('direct\n');
    await expectError('ERR_NO_SUCH_PATH', box.engine.run(null, ['/bin/sh'], { rootfs: '/no/such/root' }));
    await expectError('ERR_INVALID_OPTION', box.engine.run(box.image, ['/bin/sh'], { rootfs: root }));
  });

  it('init: process 1 reaps orphans and passes signals on', async () => {
    // An orphan that ends must not stay as a zombie; sh as process 1 would reap too, sleep would not.
    const container = await box.engine.containers.run(box.image, { command: ['sleep', '1000'], init: true });
    await container.exec(['sh', '-c', '(sleep 0.1 &) ; true']);
    const zombies = async (): Promise<string> =>
      String(
        (await container.exec(['sh', '-c', 'grep -l "State:.Z" /proc/[0-9]*/status 2>/dev/null; true']))
          .stdout,
      );
    await until('no zombie is left', async () => (await zombies()) === '');
    const first = await container.exec([
      'sh',
      '-c',
      'cat /proc/1/cmdline | tr "\\0" " "; echo; cat /proc/2/comm',
    ]);
    expect(String(first.stdout)).to.match(/^(?!sleep).*\nsleep\n$/);
    await container.kill('SIGTERM');
    expect(await container.wait()).to.include({ exitCode: 143 });
    await container.remove();
  });

  it('privileged: every capability of the engine, the host’s devices, no filter, no masks', async () => {
    const own = /CapEff:\t(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    const text = await output(
      'grep -E "^(CapEff|Seccomp):" /proc/self/status; grep -c " /proc/" /proc/self/mountinfo; ls /dev/vda /dev/kmsg 2>/dev/null | wc -l; true',
      { privileged: true },
    );
    expect(text).to.match(new RegExp(`^CapEff:\t${own}\nSeccomp:\t0\n0\n[12]\n$`));
  });

  it('capAdd, capDrop: by name, with ALL, in either spelling', async () => {
    const effective = async (options: ContainerOptions): Promise<string | undefined> =>
      /CapEff:\t(\w+)/.exec(await output('cat /proc/self/status', options))?.[1];
    expect(await effective({})).to.equal('00000000800405fb');
    expect(await effective({ capDrop: ['ALL'] })).to.equal('0000000000000000');
    expect(await effective({ capDrop: ['all'], capAdd: ['CAP_CHOWN', 'net_admin'] })).to.equal(
      '0000000000001001',
    );
    expect(await effective({ capDrop: ['CHOWN'] })).to.equal('00000000800405fa');
    await expectError('ERR_INVALID_OPTION', box.engine.run(box.image, ['true'], { capAdd: ['NO_SUCH'] }));
    await expectError(
      'ERR_INVALID_OPTION',
      box.engine.run(box.image, ['true'], { capAdd: ['CHOWN'], capDrop: ['CHOWN'] }),
    );
  });

  it('securityOpt: seccomp, no-new-privileges, mask, unmask', async () => {
    const status = async (...securityOpt: string[]): Promise<string> =>
      output('grep -E "^(NoNewPrivs|Seccomp):" /proc/self/status', { securityOpt });
    expect(await status('seccomp=unconfined')).to.match(/Seccomp:\t0/);
    expect(await status('no-new-privileges')).to.match(/NoNewPrivs:\t1\nSeccomp:\t2/);
    const profile = join(box.directory, 'profile.json');
    writeFileSync(
      profile,
      JSON.stringify({
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }],
      }),
    );
    const refused = await box.engine.run(box.image, ['mkdir', '/x'], { securityOpt: [`seccomp=${profile}`] });
    expect(refused.stderr).to.match(/Operation not permitted/);
    expect(
      await output('ls /etc/hidden | wc -l; cat /etc/passwd | wc -c', {
        securityOpt: ['mask=/etc/hidden:/etc/passwd'],
        volumes: [`${box.directory}:/etc/hidden`],
      }),
    ).to.equal('0\n0\n');
    expect(
      await output('grep -c " /proc/keys " /proc/self/mountinfo; true', {
        securityOpt: ['unmask=/proc/keys'],
      }),
    ).to.equal('0\n');
    await expectError(
      'ERR_INVALID_OPTION',
      box.engine.run(box.image, ['true'], { securityOpt: ['nonsense=1'] }),
    );
    await expectError(
      'ERR_NO_SUCH_PATH',
      box.engine.run(box.image, ['true'], { securityOpt: ['seccomp=/no/such/profile'] }),
    );
  });

  it('ulimits, umask, shmSize, oomScoreAdj', async () => {
    const text = await output(
      'ulimit -Sn; ulimit -Hn; umask; df -m /dev/shm | tail -1 | awk "{print \\$2}"; cat /proc/self/oom_score_adj',
      {
        ulimits: ['nofile=100:200'],
        umask: '0077',
        shmSize: '3m',
        oomScoreAdj: 500,
      },
    );
    expect(text).to.equal('100\n200\n0077\n3\n500\n');
  });

  it('labels and annotations are kept', async () => {
    const container = await box.engine.containers.create(box.image, {
      command: ['true'],
      labels: { a: 'b' },
      annotations: { 'org.example.x': 'y' },
    });
    const { Config } = await container.inspect();
    expect(Config.Labels).to.include({ a: 'b' });
    expect(Config.Annotations).to.include({ 'org.example.x': 'y' });
    await container.remove();
  });
});
