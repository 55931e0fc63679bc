import { expect } from 'chai';
import {
  allCapabilities,
  CAPABILITIES,
  capabilityMask,
  capabilityName,
  capabilityNames,
  type CapabilityOptions,
  capabilitySets,
  DEFAULT_CAPABILITIES,
} from '../../../lib/spec/capabilities.js';
import { thrown } from './thrown.js';

const ALL = allCapabilities(40);
/** What podman's containers have: CapBnd of /proc/self/status. */
const DEFAULT = 0x800405fbn;
const NET_RAW = 1n << 13n;
const CHOWN = 1n << 0n;

describe('capabilities', () => {
  it('have the numbers of the kernel', () => {
    expect(CAPABILITIES[0]).to.equal('CAP_CHOWN');
    expect(CAPABILITIES[21]).to.equal('CAP_SYS_ADMIN');
    expect(CAPABILITIES[40]).to.equal('CAP_CHECKPOINT_RESTORE');
    expect(capabilityMask(DEFAULT_CAPABILITIES)).to.equal(DEFAULT);
    expect(capabilityNames(NET_RAW | CHOWN)).to.deep.equal(['CAP_CHOWN', 'CAP_NET_RAW']);
  });

  it('are named with or without prefix, in either case', () => {
    for (const text of ['net_raw', 'NET_RAW', 'cap_net_raw', 'CAP_NET_RAW']) {
      expect(capabilityName(text)).to.equal('CAP_NET_RAW');
    }
    expect(capabilityName('all')).to.equal('ALL');
    for (const text of ['', 'CAP_', 'CAP_ALL', 'nope', '__proto__', 'CAP_CAP_CHOWN']) {
      expect(capabilityName(text), text).to.equal(undefined);
    }
  });

  // options → bounding set, sets of root, sets of another user; as podman 4.3 with runc 1.1 shows in /proc/self/status
  const matrix: [string, CapabilityOptions, bigint, bigint][] = [
    ['nothing', {}, DEFAULT, 0n],
    ['capAdd NET_RAW', { capAdd: ['NET_RAW'] }, DEFAULT | NET_RAW, NET_RAW],
    ['capAdd of a default one', { capAdd: ['chown'] }, DEFAULT, CHOWN],
    ['capDrop ALL', { capDrop: ['ALL'] }, 0n, 0n],
    ['capDrop CHOWN', { capDrop: ['CHOWN'] }, DEFAULT & ~CHOWN, 0n],
    ['capDrop ALL, capAdd CHOWN', { capDrop: ['all'], capAdd: ['CAP_CHOWN'] }, CHOWN, CHOWN],
    ['capAdd ALL', { capAdd: ['ALL'] }, ALL, ALL],
    ['capAdd ALL, capDrop CHOWN', { capAdd: ['ALL'], capDrop: ['CHOWN'] }, ALL & ~CHOWN, ALL & ~CHOWN],
    ['privileged', { privileged: true }, ALL, 0n],
    ['privileged, capDrop CHOWN', { privileged: true, capDrop: ['CHOWN'] }, ALL & ~CHOWN, 0n],
    ['privileged, capAdd NET_RAW', { privileged: true, capAdd: ['NET_RAW'] }, ALL, NET_RAW],
  ];
  for (const [name, options, bounding, other] of matrix) {
    it(`of root with ${name}`, () => {
      const sets = capabilitySets(0, options, ALL);
      expect(capabilityMask(sets.bounding)).to.equal(bounding);
      expect(capabilityMask(sets.effective)).to.equal(bounding);
      expect(capabilityMask(sets.permitted)).to.equal(bounding);
      expect([...sets.inheritable, ...sets.ambient]).to.deep.equal([]);
    });
    for (const uid of [1, 1000, 2147483647]) {
      it(`of user ${uid} with ${name}`, () => {
        const { bounding: _bounding, ...sets } = capabilitySets(uid, options, ALL);
        expect(capabilityMask(_bounding)).to.equal(bounding);
        for (const set of Object.values(sets)) expect(capabilityMask(set)).to.equal(other);
      });
    }
  }

  it('never exceed what the engine has', () => {
    const available = ALL & ~(1n << 24n) & ~CHOWN;
    expect(capabilityMask(capabilitySets(0, { privileged: true }, available).effective)).to.equal(available);
    expect(capabilityMask(capabilitySets(0, {}, available).effective)).to.equal(DEFAULT & ~CHOWN);
    const error = thrown('ERR_PERMISSION', () => capabilitySets(0, { capAdd: ['SYS_RESOURCE'] }, available));
    expect(error.subject).to.equal('CAP_SYS_RESOURCE');
  });

  it('are those that the kernel knows', () => {
    expect(allCapabilities(37)).to.equal((1n << 38n) - 1n);
    expect(allCapabilities(60)).to.equal((1n << 41n) - 1n);
  });
});
