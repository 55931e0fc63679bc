import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostFacts } from '../../lib/lifecycle/host-facts.js';
import type { ContainerFacts, ContainerPaths } from '../../lib/spec/facts.js';
import type { ContainerOptions } from '../../lib/spec/options.js';
import { compileSpec } from '../../lib/spec/spec.js';
import { formatSpec } from '../../lib/spec/spec-json.js';
import { validateContainerOptions } from '../../lib/spec/validate.js';
import { makeBusyboxRoot, makeDirectory, removeDirectory } from '../support/programs.js';
import { missing, type Need, requires } from '../support/requires.js';

/** Our `config.json` is one that other runtimes run as well, and to the same effect. */
describe('spec: what other runtimes make of it', () => {
  requires('root', 'mount', 'busybox');
  let directory: string;
  let root: string;

  before(() => {
    directory = makeDirectory();
    root = makeBusyboxRoot(join(directory, 'root'));
  });
  after(() => {
    removeDirectory(directory);
  });

  function runWith(runtime: string, script: string, given: ContainerOptions = {}): string {
    const id = randomBytes(32).toString('hex');
    const bundle = join(directory, id);
    mkdirSync(bundle);
    writeFileSync(join(bundle, 'hosts'), '127.0.0.1 localhost\n');
    const options = validateContainerOptions({ rootfs: root, command: ['/bin/sh', '-c', script], ...given });
    const facts: ContainerFacts = {
      id,
      name: 'other',
      passwd: 'root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home:/bin/sh\n',
      group: 'root:x:0:\nstaff:x:50:alice\n',
      devices: {},
      hostDevices: [],
      sources: {},
    };
    const paths: ContainerPaths = {
      directory: bundle,
      exitRecord: '/nonexistent/exit',
      runDirectory: bundle,
      lower: [],
      staging: root,
      rootfs: root,
      managedFiles: { '/etc/hosts': join(bundle, 'hosts') },
    };
    writeFileSync(join(bundle, 'config.json'), formatSpec(compileSpec(options, facts, hostFacts(), paths)));
    const state = join(directory, 'state');
    const ended = spawnSync(runtime, ['--root', state, 'run', '--bundle', bundle, id], {
      encoding: 'utf8',
      timeout: 20000,
    });
    expect(`${ended.status} ${ended.stderr}`).to.equal('0 ');
    return ended.stdout;
  }

  // crun runs on pure cgroup v2 only; where it cannot run there is nothing to compare with.
  const runtimes = (['runc', 'crun'] satisfies Need[]).filter(
    (name) => name === 'runc' || missing(name) === undefined,
  );
  for (const runtime of runtimes) {
    describe(runtime, () => {
      requires(runtime);

      it('runs the default', () => {
        const text = runWith(
          runtime,
          'id; grep -E "^(Cap|NoNewPrivs|Seccomp:|Umask)" /proc/self/status; hostname | wc -c',
        );
        expect(text).to.match(/^uid=0(\(root\))? gid=0/);
        expect(text).to.match(/CapEff:\t00000000800405fb\nCapBnd:\t00000000800405fb\nCapAmb:\t0+\n/);
        expect(text).to.match(/NoNewPrivs:\t0\nSeccomp:\t2\n/);
        expect(text).to.match(/\n13\n$/);
      });

      it('runs a user with limits, a read-only root and all kinds of mounts', () => {
        const text = runWith(
          runtime,
          'id -u; id -G; ulimit -n; grep -c "/scratch " /proc/self/mounts; touch /x 2>&1; touch /tmp/x && cat /etc/hosts',
          {
            user: 'alice',
            memory: '64m',
            cpus: 0.5,
            cpuset: '0',
            ulimits: ['nofile=100:200', 'core=0:-1'],
            readOnly: true,
            tmpfs: ['/tmp/scratch:size=1m'],
            volumes: [`${root}/etc:/host-etc:ro,nosuid,rslave`],
            securityOpt: ['no-new-privileges', 'mask=/proc/uptime'],
            sysctls: { 'kernel.shm_rmid_forced': '1' },
          },
        );
        expect(text.split('\n').slice(0, 4)).to.deep.equal(['1000', '1000 50', '100', '1']);
        expect(text)
          .to.match(/Read-only file system/)
          .and.match(/localhost\n$/);
      });

      it('runs a privileged one on the host network', () => {
        const text = runWith(
          runtime,
          'grep -E "^(CapEff|Seccomp:)" /proc/self/status; grep -c " /proc/" /proc/self/mounts; true',
          {
            privileged: true,
            network: 'host',
          },
        );
        expect(text)
          .to.match(/CapEff:\t0*1f+/)
          .and.match(/Seccomp:\t0\n0\n$/);
      });
    });
  }
});
