import { expect } from 'chai';
import { matchesGlob } from '../../../lib/util/glob.js';

describe('matchesGlob', () => {
  const globs: [string, string, boolean][] = [
    ['/proc/*', '/proc/acpi', true],
    ['/proc/*', '/proc/a/b', false],
    ['/*', '/proc/acpi', false],
    ['/proc/a*', '/proc/kcore', false],
    ['/proc/ac?i', '/proc/acpi', true],
    ['/proc/[a-c]cpi', '/proc/acpi', true],
    ['/proc/[^a-c]cpi', '/proc/acpi', false],
    ['/proc/[!a]cpi', '/proc/acpi', false],
    ['/proc/*c*i*', '/proc/acpi', true],
    ['/proc/*x*', '/proc/acpi', false],
    ['/proc/acp', '/proc/acpi', false],
    ['/proc/a.pi', '/proc/acpi', false],
    ['/proc/\\*', '/proc/*', true],
    ['/proc/\\*', '/proc/x', false],
    ['*', '', true],
    ['', '', true],
    ['a*b*c', 'aXbXbXc', true],
    ['a*b*c', 'aXbXb', false],
    ['/proc/(a+)+$', '/proc/aaaa', false],
    ['/proc/[', '/proc/[', true],
    ['/sys/devices/system/cpu/cpu*/thermal_throttle', '/sys/devices/system/cpu/cpu12/thermal_throttle', true],
  ];
  for (const [pattern, path, matches] of globs) {
    it(`${pattern} ${matches ? 'matches' : 'does not match'} ${path}`, () => {
      expect(matchesGlob(pattern, path)).to.equal(matches);
    });
  }

  it('match in no time', () => {
    const before = performance.now();
    matchesGlob(`/${'*a'.repeat(500)}b`, `/${'a'.repeat(2000)}`);
    expect(performance.now() - before).to.be.below(500);
  });
});
