import { expect } from 'chai';
import type { HostFacts } from '../../../lib/spec/facts.js';
import type { OciSpec } from '../../../lib/spec/oci-spec.js';
import type { ContainerOptions } from '../../../lib/spec/options.js';
import { compileSpec } from '../../../lib/spec/spec.js';
import { validateContainerOptions } from '../../../lib/spec/validate.js';
import { FACTS, PATHS, ROOT_V1, ROOT_V2, ROOTLESS, SINGLE_ID } from './fixtures.js';
import { thrown } from './thrown.js';

function compile(options: ContainerOptions = {}, host: HostFacts = ROOT_V2, facts = FACTS): OciSpec {
  return compileSpec(validateContainerOptions(options), facts, host, PATHS);
}

function mount(spec: OciSpec, destination: string): string | undefined {
  const found = spec.mounts.filter((one) => one.destination === destination);
  expect(found.length, destination).to.be.at.most(1);
  return found[0] && `${found[0].type} ${found[0].source} ${found[0].options?.join(',')}`;
}

describe('compileSpec', () => {
  it('mounts parents before what lies below them', () => {
    const { mounts } = compile({
      volumes: ['/srv/data:/a/b/c', '/srv/file:/dev/x', '/srv/data:/a'],
      readOnly: true,
    });
    const order = mounts.map(({ destination }) => destination);
    order.forEach((path, index) => {
      for (const later of order.slice(index + 1))
        expect(path.startsWith(`${later}/`), `${path} ${later}`).to.equal(false);
    });
  });

  it('lets a mount of the user replace a standard one', () => {
    const spec = compile({
      volumes: ['/srv/file:/etc/hosts', '/srv/data:/tmp'],
      tmpfs: ['/dev/shm:size=1k'],
      readOnly: true,
    });
    expect(mount(spec, '/etc/hosts')).to.equal('bind /srv/file rbind,rprivate');
    expect(mount(spec, '/tmp')).to.equal('bind /srv/data rbind,rprivate');
    expect(mount(spec, '/dev/shm')).to.equal('tmpfs tmpfs nosuid,nodev,noexec,size=1024');
    expect(mount(spec, '/run')).to.include('tmpfs');
  });

  it('leaves a /dev of the user alone', () => {
    const spec = compile({ volumes: ['/srv/data:/dev'] });
    expect(
      spec.mounts.filter(({ destination }) => destination.startsWith('/dev')).map(({ type }) => type),
    ).to.deep.equal(['bind']);
  });

  it('gives terminals to group 5 only where there is one', () => {
    expect(mount(compile(), '/dev/pts')).to.include('gid=5');
    expect(mount(compile({}, ROOTLESS), '/dev/pts')).to.include('gid=5');
    expect(mount(compile({}, SINGLE_ID), '/dev/pts')).to.not.include('gid');
  });

  it('shows the host’s /sys to an ordinary user on the host network, all of it read-only', () => {
    const spec = compile({ network: 'host' }, ROOTLESS);
    expect(mount(spec, '/sys')).to.equal('bind /sys rbind,rprivate,nosuid,noexec,nodev,ro,rro');
    expect(spec.linux.maskedPaths).to.include('/sys/kernel');
    expect(mount(compile({ network: 'host' }, ROOT_V2), '/sys')).to.match(/^sysfs/);
    expect(compile({ network: 'host' }).linux.namespaces.map(({ type }) => type)).to.not.include('network');
  });

  it('keeps cgroups read-only but for privileged containers and unmask', () => {
    expect(mount(compile(), '/sys/fs/cgroup')).to.match(/,ro$/);
    expect(mount(compile({ privileged: true }), '/sys/fs/cgroup')).to.match(/,rw$/);
    expect(mount(compile({ securityOpt: ['unmask=/sys/fs/cgroup'] }), '/sys/fs/cgroup')).to.match(/,rw$/);
    expect(mount(compile({}, SINGLE_ID), '/sys/fs/cgroup')).to.equal(undefined);
  });

  it('makes nothing writable in a read-only container without tmpfs', () => {
    const spec = compile({ readOnly: true, readOnlyTmpfs: false });
    expect(spec.root.readonly).to.equal(true);
    expect(mount(spec, '/dev')).to.match(/,ro$/);
    expect(mount(spec, '/dev/shm')).to.match(/,ro$/);
    expect(mount(spec, '/run')).to.equal(undefined);
    expect(mount(spec, '/etc/hosts')).to.include(',ro');
  });

  it('sets the ping sysctl in its own network namespace only', () => {
    expect(compile().linux.sysctl).to.deep.equal({ 'net.ipv4.ping_group_range': '0 0' });
    expect(compile({ network: 'host' }).linux.sysctl).to.deep.equal({});
    expect(compile({ sysctls: { 'net.ipv4.ping_group_range': '1 5' } }).linux.sysctl).to.deep.equal({
      'net.ipv4.ping_group_range': '1 5',
    });
  });

  it('is a slave of the host’s mounts only for volumes that ask for it', () => {
    expect(compile().linux.rootfsPropagation).to.equal(undefined);
    expect(compile({ volumes: ['/srv/data:/d:rslave'] }).linux.rootfsPropagation).to.equal('slave');
  });

  it('takes the image’s user, workdir and environment, unless the options say otherwise', () => {
    const facts = {
      ...FACTS,
      image: { User: 'alice', WorkingDir: 'srv/../w', Cmd: ['x'], Env: ['HOME=/h'] },
    };
    thrown('ERR_INVALID_IMAGE', () => compile({}, ROOT_V2, facts));
    facts.image.WorkingDir = '/srv/../w/';
    const { process } = compile({}, ROOT_V2, facts);
    expect(process.user).to.deep.equal({
      uid: 1000,
      gid: 1000,
      umask: 0o22,
      additionalGids: [50, 10, 70000],
    });
    expect(process.cwd).to.equal('/w');
    expect(process.env).to.include('HOME=/h');
    expect(compile({ user: 'root', workdir: '/' }, ROOT_V2, facts).process).to.deep.include({ cwd: '/' });
    expect(compile({ user: '' }, ROOT_V2, facts).process.user.uid).to.equal(1000);
  });

  it('adds groups beside those of the group file, each once', () => {
    expect(
      compile({ user: 'alice', groupAdd: ['wheel', '77', '1000'] }).process.user.additionalGids,
    ).to.deep.equal([50, 10, 70000, 77, 1000]);
    expect(compile({ user: 'alice:staff', groupAdd: ['wheel'] }).process.user).to.deep.include({
      gid: 50,
      additionalGids: [10],
    });
    thrown('ERR_NO_SUCH_USER', () => compile({ groupAdd: ['nobodies'] }));
  });

  it('knows only the ids that a user namespace has', () => {
    // 70000 is beyond the map; a group of the image that is not there is left out, one that was asked for is not.
    expect(compile({ user: 'alice' }, ROOTLESS).process.user.additionalGids).to.deep.equal([50, 10]);
    thrown('ERR_HOST_UNSUPPORTED', () => compile({ user: 'alice', groupAdd: ['70000'] }, ROOTLESS));
    thrown('ERR_HOST_UNSUPPORTED', () => compile({ user: '70000' }, ROOTLESS));
    thrown('ERR_HOST_UNSUPPORTED', () => compile({ user: '1:70000' }, ROOTLESS));
    thrown('ERR_HOST_UNSUPPORTED', () => compile({ user: 'alice' }, SINGLE_ID));
    thrown('ERR_HOST_UNSUPPORTED', () => compile({ groupAdd: ['5'] }, SINGLE_ID));
    expect(compile({}, SINGLE_ID).process.user).to.deep.equal({ uid: 0, gid: 0, umask: 0o22 });
  });

  it('gives an ordinary user’s root all capabilities that are asked for', () => {
    expect(compile({ capAdd: ['SYS_ADMIN'] }, ROOTLESS).process.capabilities.effective).to.include(
      'CAP_SYS_ADMIN',
    );
    expect(compile({ privileged: true }, ROOTLESS).process.capabilities.effective).to.have.length(41);
  });

  it('says where the cgroup is, below the mount point', () => {
    expect(compile({}, ROOT_V1).linux.cgroupsPath).to.equal(`/vaina/${FACTS.id}`);
    expect(compile({}, ROOT_V2).linux.cgroupsPath).to.equal(`/vaina/${FACTS.id}`);
    expect(compile({}, SINGLE_ID).linux.cgroupsPath).to.equal(undefined);
  });

  it('names the container after its id unless told otherwise', () => {
    expect(compile().hostname).to.equal('0123456789ab');
    expect(compile().process.env).to.include('HOSTNAME=0123456789ab');
    expect(compile({ hostname: 'peapod' }).process.env).to.include('HOSTNAME=peapod');
  });

  it('takes nothing from labels of the image', () => {
    const Labels: Record<string, string> = {};
    for (const key of [
      'io.containers.capabilities',
      'io.podman.annotations.seccomp',
      'run.oci.keep_original_groups',
      'org.systemd.property.ExecStop',
      'io.kubernetes.cri-o.userns-mode',
    ]) {
      Labels[key] = 'SYS_ADMIN';
    }
    const image = { ...FACTS.image, Labels };
    expect(compile({}, ROOT_V2, { ...FACTS, image })).to.deep.equal(compile());
  });

  it('changes neither its options nor its facts', () => {
    const frozen = <T>(value: T): T => {
      if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
      return value;
    };
    const options = frozen<ContainerOptions>({
      privileged: true,
      network: 'host',
      volumes: ['/srv/data:/d'],
    });
    expect(() =>
      compileSpec(options, frozen(structuredClone(FACTS)), frozen(structuredClone(ROOTLESS)), PATHS),
    ).to.not.throw();
  });
});
