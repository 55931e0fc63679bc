import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { expect } from 'chai';
import { until } from '../support/programs.js';
import { compileDeviceFilter } from '../../lib/spec/device-filter.js';
import { STANDARD_RULES } from '../../lib/spec/devices.js';
import type { OciDeviceRule } from '../../lib/spec/oci-spec.js';
import type { Plan, Step } from '../../lib/spec/steps.js';
import { finish, finishAll, launch, run, usePlace, containerPlan } from '../support/native-plans.js';

/** Where cgroup v2 is mounted: alone, or beside the controllers of v1. */
function mountpoint(): string | undefined {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((entry) => entry.includes(' - cgroup2 '));
  return line?.split(' ')[4];
}

function cgroupOf(pid: number): string | undefined {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
}

describe('a monitor and cgroup v2', () => {
  const place = usePlace();
  let top: string;

  before(function () {
    const mounted = mountpoint();
    if (mounted === undefined) return this.skip();
    top = `${mounted}/vaina-test-${process.pid}`;
    mkdirSync(top);
  });

  after(() => {
    if (top === undefined || !existsSync(top)) return;
    for (const entry of readdirSync(top, { withFileTypes: true }))
      if (entry.isDirectory()) rmdirSync(`${top}/${entry.name}`);
    rmdirSync(top);
  });

  afterEach(finishAll);

  /** Runs a command in a cgroup of its own, after the given steps of the host phase. */
  function plan(host: readonly Step[], argv: readonly string[]): Plan {
    const box = containerPlan(place, [], argv);
    const directory = `${top}/box`;
    return [
      ['cgroup-dir', directory],
      ...host,
      ['cgroup-enter', directory],
      ...box,
      ['cgroup-remove', directory],
    ];
  }

  it('starts the process in the cgroup, and stays out of it', async () => {
    const one = launch(plan([], ['sleep', '1000']));
    const started = await one.container.started;
    if (started.kind === 'failed') throw new Error(started.text);
    expect(cgroupOf(started.pid)).to.match(/\/vaina-test-\d+\/box$/);
    expect(cgroupOf(one.pid)).to.equal(cgroupOf(process.pid));
    one.channel.close();
    await finish(one);
    // Whoever closes the channel is not told when all is tidied up.
    await until('the cgroup is gone', () => !existsSync(`${top}/box`), 2000);
  });

  it('moves itself when it is told to', async () => {
    const one = launch([['monitor-cgroup', `${top}/monitors`], ...plan([], ['sleep', '1000'])]);
    const started = await one.container.started;
    if (started.kind === 'failed') throw new Error(started.text);
    expect(cgroupOf(one.pid)).to.match(/\/vaina-test-\d+\/monitors$/);
    expect(cgroupOf(started.pid)).to.match(/\/vaina-test-\d+\/box$/);
    one.channel.close();
    await finish(one);
  });

  it('moves nowhere but into a cgroup', async () => {
    const one = launch([['monitor-cgroup', `${place.directory}/monitors`], ...plan([], ['true'])]);
    expect(await one.container.started).to.include({ kind: 'failed', step: 0 });
    await finish(one);
    expect(existsSync(`${place.directory}/monitors`)).to.equal(false);
  });

  // The kernel's verifier has the last word on a program, and each shape of rules makes another.
  const deny: OciDeviceRule = { allow: false, access: 'rwm' };
  const make: OciDeviceRule = { allow: true, type: 'c', access: 'm' };
  const memory: OciDeviceRule = { allow: true, type: 'c', major: 1, access: 'rwm' };
  const shapes: [string, OciDeviceRule[], string | undefined][] = [
    ['no rule', [], undefined],
    ['one that denies all', [deny], undefined],
    ['one that allows all', [{ allow: true, type: 'a', access: 'rwm' }], 'null:rw zero:rw'],
    ['the standard ones', [deny, ...STANDARD_RULES], 'null:rw zero:rw'],
    ['some access to one device', [deny, make, { ...memory, minor: 5, access: 'r' }], 'null: zero:r'],
    [
      'one that takes back',
      [make, memory, { ...memory, allow: false, minor: 3, access: 'w' }],
      'null:r zero:rw',
    ],
  ];
  for (const [name, rules, expected] of shapes) {
    it(`loads a device filter of ${name}, and the kernel obeys it`, async () => {
      const script =
        'for d in null zero; do printf "$d:"; (: </dev/$d) && printf r; (: >/dev/$d) && printf w; printf " "; done';
      const filter: Step = ['cgroup-device-filter', `${top}/box`, compileDeviceFilter(rules)];
      const result = await run(plan([filter], ['sh', '-c', script])).catch((error: unknown) => String(error));
      if (typeof result === 'string' || expected === undefined) {
        expect(result).to.match(/make node \/dev\/null: Operation not permitted/);
        expect(expected).to.equal(undefined);
      } else {
        expect(result.stdout.trim()).to.equal(expected);
      }
    });
  }
});
