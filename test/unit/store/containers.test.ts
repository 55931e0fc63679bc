import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { Containers, type NewContainer } from '../../../lib/store/containers.js';
import { Database } from '../../../lib/store/database.js';
import { migrate } from '../../../lib/store/schema.js';

const container = (id: string, more: Partial<NewContainer> = {}): NewContainer => ({
  id: id.padEnd(64, '0'),
  name: `name-${id}`,
  record: { id, nested: { list: [1, 'two', null] } },
  state: { status: 'created' },
  ...more,
});

describe('store/containers', () => {
  let directory: string;
  let database: Database;
  let containers: Containers;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaina-unit-'));
    database = Database.open(join(directory, 'vaina.db'));
    migrate(database, directory);
    containers = new Containers(database);
  });
  afterEach(() => {
    database.close();
    rmSync(directory, { recursive: true });
  });
  const code = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (VainaError.is(error)) return error.code;
      throw error;
    }
    return 'none';
  };

  it('gives back what was put in', () => {
    containers.insert(container('a1', { createdAt: 1234, autoRemove: true }));
    const row = containers.get('a1'.padEnd(64, '0'));
    expect(row?.name).to.equal('name-a1');
    expect(row?.createdAt).to.equal(1234);
    expect(row?.autoRemove).to.equal(true);
    expect(row?.imageId).to.equal(undefined);
    expect(row?.record).to.deep.equal({ id: 'a1', nested: { list: [1, 'two', null] } });
    expect(row?.state).to.deep.equal({ status: 'created' });
  });

  it('finds by id, by name, by the start of an id, in this order', () => {
    const name = 'ab'.padEnd(64, '0');
    containers.insert(container('ab'));
    containers.insert(container('ac', { name }));
    containers.insert(container('b', { name: 'ac' }));
    expect(containers.find(name).id, 'an id goes before a name').to.equal(name);
    expect(containers.find('ac').id, 'a name goes before the start of an id').to.equal('b'.padEnd(64, '0'));
    expect(containers.find('ac0').id).to.equal('ac'.padEnd(64, '0'));
    expect(code(() => containers.find('a'))).to.equal('ERR_AMBIGUOUS_ID');
    expect(code(() => containers.find('f'))).to.equal('ERR_NO_SUCH_CONTAINER');
    expect(code(() => containers.find('%'))).to.equal('ERR_NO_SUCH_CONTAINER');
    expect(code(() => containers.find(''))).to.equal('ERR_NO_SUCH_CONTAINER');
  });

  it('refuses a name that is in use, and an image that is not there', () => {
    containers.insert(container('a'));
    expect(code(() => containers.insert(container('b', { name: 'name-a' })))).to.equal('ERR_NAME_IN_USE');
    expect(code(() => containers.insert(container('c', { imageId: 'f'.repeat(64) })))).to.equal(
      'ERR_NO_SUCH_IMAGE',
    );
    containers.insert(container('b'));
    expect(code(() => containers.rename('b'.padEnd(64, '0'), 'name-a'))).to.equal('ERR_NAME_IN_USE');
    expect(containers.list()).to.have.length(2);
  });

  it('updates, renames and deletes', () => {
    containers.insert(container('a'));
    const id = 'a'.padEnd(64, '0');
    expect(containers.updateState(id, { status: 'running' })).to.equal(true);
    expect(containers.rename(id, 'other')).to.equal(true);
    expect(containers.byName('other')?.state).to.deep.equal({ status: 'running' });
    expect(containers.delete(id)).to.equal(true);
    expect(containers.delete(id)).to.equal(false);
    expect(containers.updateState(id, {})).to.equal(false);
    containers.insert(container('b', { name: 'other' }));
  });

  it('lists what is there at each time, whoever changed it', () => {
    const others = new Containers(database);
    const listed = () => containers.list().map(({ name, record, state }) => ({ name, record, state }));
    const [a, b] = ['a', 'b'].map((id) => container(id, { record: { of: id } }));
    if (!a || !b) throw new Error('two containers');
    others.insert(a);
    expect(listed()).to.deep.equal([{ name: 'name-a', record: { of: 'a' }, state: a.state }]);
    others.updateState(a.id, { status: 'exited' });
    others.insert(b);
    expect(listed()).to.have.deep.members([
      { name: 'name-a', record: { of: 'a' }, state: { status: 'exited' } },
      { name: 'name-b', record: { of: 'b' }, state: b.state },
    ]);
    others.delete(a.id);
    expect(listed()).to.deep.equal([{ name: 'name-b', record: { of: 'b' }, state: b.state }]);
  });

  it('lists the oldest first, a thousand of them in no time', () => {
    const options = { name: 'x', env: { A: 'y'.repeat(1500) } };
    database.transaction(() => {
      for (let i = 0; i < 1000; i++) {
        const id = i.toString(16).padStart(4, '0');
        containers.insert(container(id, { createdAt: 1000 - i, record: options }));
      }
    });
    containers.list();
    const start = performance.now();
    const rows = containers.list();
    const milliseconds = performance.now() - start;
    expect(rows).to.have.length(1000);
    expect(rows[0]?.createdAt).to.equal(1);
    // Ten times what it takes here, for a machine that has something else to do.
    expect(milliseconds).to.be.lessThan(50);
  });
});
