import { Readable } from 'node:stream';
import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { chooser, Prompt } from '../../../lib/cli/prompt.js';
import { World } from './fake.js';

const PASSWORD = 'canary-secret';

describe('cli registries', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });

  const print = async (...argv: string[]): Promise<string> => {
    world.out = '';
    expect(await world.run(...argv), world.err).to.equal(0);
    return world.out;
  };
  const complain = async (...argv: string[]): Promise<string> => {
    world.err = '';
    expect(await world.run(...argv)).to.equal(125);
    expect(world.err).not.to.include(PASSWORD);
    return world.err;
  };

  it('login takes all from flags, or the password from stdin', async () => {
    const flags = ['--tls-verify=false', '--cert-dir', '/c', '--authfile', '/a'];
    expect(await print('login', '-u', 'me', '-p', PASSWORD, ...flags, 'quay.io')).to.equal(
      'Login Succeeded!\n',
    );
    world.input = Readable.from([Buffer.from('canary-'), Buffer.from('secret\n')]);
    expect(
      await print('login', '-u', 'me', '--password-stdin', '-v', '--compat-auth-file=/d', 'quay.io'),
    ).to.equal('Used:  /run/auth.json\nLogin Succeeded!\n');
    const credentials = { username: 'me', password: PASSWORD };
    expect(world.called('login')).to.deep.equal([
      ['quay.io', { ...credentials, tlsVerify: false, certDir: '/c', authFile: '/a' }],
      ['quay.io', { ...credentials, compatAuthFile: '/d' }],
    ]);
    expect(world.opened).to.equal(undefined);
  });

  it('login asks on a terminal, and does not show the password', async () => {
    world.terminals = new Set([0, 1]);
    world.input = Readable.from([Buffer.from('me\n'), Buffer.from('wrong\x15canary-x\x7fsecret\r')]);
    expect(await print('login', 'quay.io')).to.equal('Username: Password: \nLogin Succeeded!\n');
    expect(world.raw).to.deep.equal([true, false]);
    world.loggedIn['quay.io'] = 'known';
    world.input = Readable.from([Buffer.from('\n'), Buffer.from(`${PASSWORD}\n`)]);
    expect(await print('login', 'quay.io')).to.equal(
      'Authenticating with existing credentials for quay.io\n' +
        'Existing credentials are invalid, please enter valid username and password\n' +
        'Username (known): Password: \nLogin Succeeded!\n',
    );
    expect(world.called('login').map(([, options]) => options)).to.deep.equal([
      { username: 'me', password: PASSWORD },
      { username: 'known', password: PASSWORD },
    ]);
    world.input = Readable.from([Buffer.from('me\n'), Buffer.from('abc\x03')]);
    expect(await world.run('login', 'quay.io')).to.equal(130);
    expect(world.raw).to.deep.equal([true, false, true, false, true, false]);
    world.terminals.clear();
    world.input = Readable.from([Buffer.from(`me\n${PASSWORD}\n`)]);
    expect(await complain('login', 'quay.io')).to.equal(
      'Error: getting username and password: reading password: inappropriate ioctl for device\n',
    );
  });

  it('login says who one is, and what is wrong', async () => {
    world.loggedIn['quay.io/ns'] = 'somebody';
    world.loginIsValid = true;
    expect(await print('login', '--tls-verify=0', 'quay.io/ns')).to.equal(
      'Authenticating with existing credentials for quay.io/ns\nExisting credentials are valid. Already logged in to quay.io\n',
    );
    expect(world.called('verifyLogin')).to.deep.equal([['quay.io/ns', { tlsVerify: false }]]);
    expect(world.called('login')).to.deep.equal([]);
    expect(await print('login', '--get-login', 'quay.io/ns')).to.equal('somebody\n');
    expect(await complain('login', '--get-login', 'quay.io')).to.equal('Error: not logged into quay.io\n');
    expect(await complain('login', '--get-login')).to.equal(
      'Error: no registries found in registries.conf, a registry must be provided\n',
    );
    world.configured = ['first.example', 'second.example'];
    await print('login', '-u', 'a', '-p', 'b');
    expect(world.called('login').at(-1)?.[0]).to.equal('first.example');
    expect(await complain('login', 'a', 'b')).to.equal('Error: accepts at most 1 arg(s), received 2\n');
    expect(await complain('login', '--password-stdin', 'quay.io')).to.equal(
      'Error: Must provide --username with --password-stdin\n',
    );
    expect(await complain('login', '-u', 'a', '-p', PASSWORD, '--password-stdin', 'quay.io')).to.equal(
      "Error: Can't specify both --password-stdin and --password\n",
    );
    world.failures['login'] = new VainaError('ERR_UNAUTHORIZED', 'no', { hint: 'log in' });
    expect(await complain('login', '-u', 'a', '-p', PASSWORD, 'https://quay.io/x')).to.equal(
      'Error: logging into "quay.io": invalid username/password\n',
    );
    world.failures['login'] = new VainaError('ERR_REGISTRY_UNREACHABLE', 'not there');
    expect(await complain('login', '-u', 'a', '-p', PASSWORD, 'quay.io')).to.equal(
      'Error: authenticating creds for "quay.io": not there\n',
    );
  });

  it('logout forgets one or all', async () => {
    expect(await print('logout', 'quay.io', '--authfile=/a')).to.equal(
      'Removed login credentials for quay.io\n',
    );
    expect(await print('logout', '-a')).to.equal('Removed login credentials for all registries\n');
    expect(world.called('logout')).to.deep.equal([['quay.io', { authFile: '/a' }]]);
    expect(world.called('logoutAll')).to.deep.equal([[{}]]);
    expect(await complain('logout', '-a', 'quay.io')).to.equal('Error: --all takes no arguments\n');
    world.failures['logout'] = new VainaError('ERR_UNAUTHORIZED', 'not logged into quay.io');
    expect(await complain('logout', 'quay.io')).to.equal('Error: not logged into quay.io\n');
    world.loggedIn['quay.io'] = 'docker-user';
    expect(await print('logout', 'quay.io')).to.equal(
      'Not logged into quay.io with current tool. Existing credentials were established via docker login. Please use docker logout instead.\n',
    );
    world.failures['logout'] = new VainaError('ERR_PERMISSION', 'no');
    expect(await complain('logout', 'quay.io')).to.equal('Error: no\n');
  });

  it('search prints a table, a template or JSON', async () => {
    const description = `The official\tthing ${'x'.repeat(60)}`.replace('\t', ' ');
    const row = { index: 'docker.io', description, stars: 12, official: true, automated: false };
    world.found = [
      { ...row, name: 'docker.io/library/one' },
      { ...row, name: 'docker.io/a/two', description: '', official: false, automated: true, stars: 0 },
    ];
    const short = `${description.slice(0, 44)}...`;
    expect(await print('search', 'x')).to.equal(
      `NAME                   DESCRIPTION\ndocker.io/library/one  ${short}\ndocker.io/a/two        \n`,
    );
    expect(await print('search', '--compatible', '--no-trunc', 'x'))
      .to.include(description)
      .and.include('STARS');
    expect(
      await print('search', '--format', '{{.Index}} {{.Stars}} {{.Official}}{{.Automated}}', 'x'),
    ).to.equal('docker.io 12 [OK]\ndocker.io 0 [OK]\n');
    const parsed = JSON.parse(await print('search', '--format=json', 'x')) as object[];
    expect(parsed[0]).to.deep.equal({
      Index: 'docker.io',
      Name: 'docker.io/library/one',
      Description: description,
      Stars: 12,
      Official: '[OK]',
      Automated: '',
      Tag: '',
    });
    world.found = ['1', '2'].map((tag) => ({ ...row, name: 'r.example/x', tag }));
    expect(await print('search', '--list-tags', '--limit', '2', 'r.example/x')).to.equal(
      'NAME         TAG\nr.example/x  1\nr.example/x  2\n',
    );
    expect(JSON.parse(await print('search', '--list-tags', '--format', 'json', 'r.example/x'))).to.deep.equal(
      [{ Name: 'r.example/x', Tags: ['1', '2'] }],
    );
    world.found = [];
    world.searchFailures = [['b.example', new Error('down')]];
    expect(await print('search', 'x')).to.equal('');
    expect(world.err).to.equal('Warning: couldn\'t search registry "b.example": down\n');
  });

  it('search reads its flags as podman', async () => {
    await print(
      'search',
      '-f',
      'stars=3,is-official',
      '--filter=is-automated=false',
      '--limit=7',
      '--authfile=/a',
      'x',
    );
    expect(world.called('search').at(-1)).to.deep.equal([
      'x',
      { limit: 7, filter: { stars: 3, isOfficial: true, isAutomated: false }, authFile: '/a' },
    ]);
    const cases: [string[], string][] = [
      [[], 'accepts 1 arg(s), received 0'],
      [['--filter', 'foo=1', 'x'], 'invalid filter type "foo=1"'],
      [
        ['--filter', 'stars=x', 'x'],
        'incorrect value type for stars filter: strconv.Atoi: parsing "x": invalid syntax',
      ],
      [['--filter', 'stars', 'x'], 'invalid filter ["stars"], should be stars=<value>'],
      [['--filter', 'stars=1', '--list-tags', 'x'], 'filters are not applicable to list tags result'],
    ];
    for (const [argv, message] of cases)
      expect(await complain('search', ...argv)).to.equal(`Error: ${message}\n`);
  });

  it('lets a user at a terminal choose what a short name means', async () => {
    expect(chooser(world.host())).to.equal(undefined);
    world.terminals = new Set([0, 1]);
    world.input = Readable.from([Buffer.from('9\n2\n')]);
    expect(await chooser(world.host())?.(['a.example/x', 'b.example/x'])).to.equal('b.example/x');
    expect(world.out).to.include('Please select an image:\n  1) a.example/x\n  2) b.example/x\nNumber: ');
    world.input = Readable.from([]);
    expect(await new Prompt(world.host()).line('? ')).to.equal('');
  });
});
