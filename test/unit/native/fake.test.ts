import { expect } from 'chai';
import { FakeNative, systemError } from '../../../lib/native/fake.js';

describe('FakeNative', () => {
  it('records calls in order, with what they gave or threw', () => {
    const fake = new FakeNative();
    fake.listening.add('/run');
    const fd = fake.connect('/run');
    fake.close(fd);
    expect(() => fake.close(fd))
      .to.throw()
      .with.property('code', 'EBADF');
    expect(fake.calls.map(({ name, result }) => [name, result])).to.deep.equal([
      ['connect', fd],
      ['close', undefined],
      ['close', undefined],
    ]);
    expect(fake.calls[2]?.error).to.have.property('syscall', 'close');
    expect(fake.argumentsOf('connect')).to.deep.equal([['/run']]);
    expect(fake.open.size).to.equal(0);
  });

  it('fails the nth call, of all or of one method, and only that one', () => {
    const fake = new FakeNative();
    fake.failCall(2, systemError('EMFILE', 'pipe2'));
    fake.failCall(2, systemError('EIO', 'fsync', '/x'), 'fsync');
    fake.pipes(1);
    expect(() => fake.pipes(1))
      .to.throw()
      .with.property('code', 'EMFILE');
    fake.fsync('/x');
    fake.syncfsLater('/x', () => undefined);
    expect(() => fake.fsync('/x'))
      .to.throw('/x')
      .with.property('code', 'EIO');
    fake.fsync('/x');
  });

  it('excludes by locks until they are closed', () => {
    const fake = new FakeNative();
    const shared = [fake.tryLock('/l', false), fake.tryLock('/l', false)];
    expect(fake.tryLock('/l', true)).to.equal(-1);
    for (const fd of shared) fake.close(fd);
    expect(fake.isLocked('/l')).to.equal(false);
    const exclusive = fake.tryLock('/l', true);
    expect(fake.tryLock('/l', false)).to.equal(-1);
    expect(fake.isLocked('/l')).to.equal(true);
    fake.close(exclusive);
    expect(fake.tryLock('/l', false)).to.be.greaterThan(0);
  });

  it('uses overrides, and records their calls', () => {
    const fake = new FakeNative({ connect: () => 7 });
    expect(fake.connect('/run/x')).to.equal(7);
    expect(fake.argumentsOf('connect')).to.deep.equal([['/run/x']]);
  });

  it('reads what was put into files, up to the limit', () => {
    const fake = new FakeNative();
    fake.files.set('/root:/etc/passwd', Buffer.from('root'));
    expect(fake.readFileIn('/root', '/etc/passwd', 4)?.toString()).to.equal('root');
    expect(fake.readFileIn('/root', '/etc/group', 4)).to.equal(undefined);
    expect(() => fake.readFileIn('/root', '/etc/passwd', 3))
      .to.throw()
      .with.property('code', 'EFBIG');
  });
});
