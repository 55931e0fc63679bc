/** Runs a classic BPF program over struct seccomp_data, as the kernel does: what it returns. */
export function runFilter(filter: Buffer, arch: number, nr: number, args: readonly bigint[] = []): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(nr >>> 0, 0);
  data.writeUInt32LE(arch, 4);
  args.forEach((value, index) => data.writeBigUInt64LE(value, 16 + index * 8));
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const code = filter.readUInt16LE(at * 8);
    const [jumpTrue = 0, jumpFalse = 0] = [filter[at * 8 + 2], filter[at * 8 + 3]];
    const k = filter.readUInt32LE(at * 8 + 4);
    const jump = (taken: boolean): void => {
      at += taken ? jumpTrue : jumpFalse;
    };
    if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) jump(accumulator === k);
    else if (code === 0x25) jump(accumulator > k);
    else if (code === 0x35) jump(accumulator >= k);
    else if (code === 0x45) jump((accumulator & k) !== 0);
    else if (code === 0x06) return k;
    else throw new Error(`unexpected opcode 0x${code.toString(16)}`);
  }
}
