import { capabilityName } from './capabilities.js';
import { invalid } from './invalid.js';
import type { ContainerOptions } from './options.js';
import { parseSecurityOpt } from './security-opt.js';
import { sizeOption } from './sizes.js';
import { checkSysctls } from './sysctls.js';
import { parseVolume, tmpfsMount } from './volumes.js';

/** Refuses options of which each is well-formed but which cannot all be meant. Throws ERR_INVALID_OPTION. */
export function checkContradictions(options: ContainerOptions): void {
  checkMemory(options);
  checkCapabilities(options);
  checkMounts(options);
  checkSysctls(options.sysctls ?? {}, options.network === 'host');
  parseSecurityOpt(options.securityOpt);
  if (options.cpus !== undefined && options.cpus !== 0 && options.cpus < 0.01) {
    throw invalid('cpus', `cpus of ${options.cpus} is below 0.01, the least that the kernel can enforce`);
  }
  if (options.readOnlyTmpfs !== undefined && options.readOnly !== true) {
    throw invalid('readOnlyTmpfs', 'readOnlyTmpfs has no meaning without readOnly');
  }
  if (options.logMaxSize !== undefined && options.logDriver === 'none') {
    throw invalid('logMaxSize', 'logMaxSize has no meaning with logDriver none');
  }
  const limits = (options.ulimits ?? []).map((limit) => (limit.split('=')[0] ?? '').toLowerCase());
  const twice = limits.find((limit, index) => limits.indexOf(limit) !== index);
  if (twice !== undefined) throw invalid('ulimits', `two limits of ${twice}`);
  if (limits.includes('host') && limits.length > 1) {
    throw invalid('ulimits', 'host stands for all limits, so there can be no others');
  }
}

function checkMemory(options: ContainerOptions): void {
  const memory = sizeOption('memory', options.memory);
  const reservation = sizeOption('memoryReservation', options.memoryReservation);
  if (options.memorySwap !== undefined) {
    const unlimited = options.memorySwap === -1 || options.memorySwap === '-1';
    const swap = unlimited ? undefined : sizeOption('memorySwap', options.memorySwap);
    if (memory === undefined && swap !== undefined) {
      throw invalid('memorySwap', 'memorySwap needs memory: it limits both together');
    }
    if (memory !== undefined && swap !== undefined && swap < memory) {
      throw invalid('memorySwap', 'memorySwap is below memory: it limits both together');
    }
  }
  if (memory !== undefined && reservation !== undefined && reservation > memory) {
    throw invalid('memoryReservation', 'memoryReservation is above memory');
  }
}

function checkCapabilities(options: ContainerOptions): void {
  const added = (options.capAdd ?? []).map(capabilityName);
  const dropped = (options.capDrop ?? []).map(capabilityName);
  const both = added.find((name) => dropped.includes(name));
  if (both !== undefined) throw invalid('capAdd', `capability ${both} is both added and dropped`);
  if (options.privileged === true && dropped.includes('ALL')) {
    throw invalid('capDrop', 'privileged adds all capabilities, capDrop ALL drops them');
  }
}

function checkMounts(options: ContainerOptions): void {
  const destinations = [
    ...(options.volumes ?? []).map((volume) => parseVolume(volume).destination),
    ...(options.tmpfs ?? []).map((mount) => tmpfsMount(mount).destination),
  ];
  const twice = destinations.find((path, index) => destinations.indexOf(path) !== index);
  if (twice !== undefined) throw invalid('volumes', `two mounts on ${twice} of the container`);
  if (options.shmSize !== undefined && destinations.some((path) => path === '/dev/shm' || path === '/dev')) {
    throw invalid('shmSize', 'shmSize has no meaning with a mount of your own on /dev/shm or /dev');
  }
}
