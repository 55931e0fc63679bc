import { expect } from 'chai';
import fc from 'fast-check';
import { VainaError } from '../../../lib/errors.js';
import { applyChanges } from '../../../lib/oci/changes.js';

describe('oci changes', () => {
  it('takes each instruction in its forms', () => {
    const config = applyChanges({ Env: ['A=old', 'KEEP=1'], ExposedPorts: { '1/tcp': {} } }, [
      'CMD ["a", "b c"]',
      'ENTRYPOINT run it',
      'env A=1 B="two words" C=three\\ words',
      'ENV D all the rest',
      'EXPOSE 80 53/udp 8000-8002/tcp',
      'LABEL a=b "c d"=\'e f\'',
      'LABEL old form',
      'ONBUILD RUN x',
      'STOPSIGNAL quit',
      'USER=1000:1000',
      'VOLUME ["/a", "/b c"]',
      'VOLUME /d /e',
      'WORKDIR /x',
      'WORKDIR y/../z',
    ]);
    expect(config).to.deep.equal({
      Cmd: ['a', 'b c'],
      Entrypoint: ['/bin/sh', '-c', 'run it'],
      Env: ['KEEP=1', 'A=1', 'B=two words', 'C=three words', 'D=all the rest'],
      ExposedPorts: {
        '1/tcp': {},
        '80/tcp': {},
        '53/udp': {},
        '8000/tcp': {},
        '8001/tcp': {},
        '8002/tcp': {},
      },
      Labels: { a: 'b', 'c d': 'e f', old: 'form' },
      OnBuild: ['RUN x'],
      StopSignal: 'SIGQUIT',
      User: '1000:1000',
      Volumes: { '/a': {}, '/b c': {}, '/d': {}, '/e': {} },
      WorkingDir: '/x/z',
    });
    expect(applyChanges({}, ['CMD []', 'STOPSIGNAL 9'])).to.deep.equal({ Cmd: [], StopSignal: '9' });
    expect(applyChanges({}, ['STOPSIGNAL RTMIN+3']).StopSignal).to.equal('SIGRTMIN+3');
    expect(applyChanges({}, ['CMD [ -f x ]']).Cmd).to.deep.equal(['/bin/sh', '-c', '[ -f x ]']);
  });

  it('leaves the configuration it was given alone', () => {
    const config = Object.freeze({ Env: Object.freeze(['A=1']) as string[] });
    expect(applyChanges(config, ['ENV A=2']).Env).to.deep.equal(['A=2']);
    expect(config.Env).to.deep.equal(['A=1']);
  });

  it('refuses everything else', () => {
    const changes = [
      ...[
        '',
        'CMD',
        'CMD ',
        'RUN x',
        'FROM y',
        'HEALTHCHECK NONE',
        'ENV',
        'ENV A',
        'ENV =x',
        'ENV A=1 B',
        'LABEL x',
      ],
      ...[
        'EXPOSE x',
        'EXPOSE 0',
        'EXPOSE 65536',
        'EXPOSE 9-8',
        'EXPOSE 80/icmp',
        'STOPSIGNAL nosuch',
        'STOPSIGNAL 65',
      ],
      ...['STOPSIGNAL 0', 'CMD [1]', 'VOLUME [{}]', 'LABEL a="b', 'USER a\0b'],
    ];
    for (const change of changes) {
      expect(() => applyChanges({}, [change]), change)
        .to.throw(VainaError)
        .with.property('code', 'ERR_INVALID_OPTION');
    }
  });

  it('gives a configuration or the typed error for any text, in linear time', () => {
    const word = fc.constantFrom('CMD', 'ENV', 'EXPOSE', 'LABEL', 'VOLUME', 'WORKDIR', 'STOPSIGNAL', 'USER');
    fc.assert(
      fc.property(word, fc.string(), (name, text) => {
        try {
          applyChanges({}, [`${name} ${text}`]);
        } catch (error) {
          expect(VainaError.is(error, 'ERR_INVALID_OPTION'), String(error)).to.equal(true);
        }
      }),
    );
    const begun = performance.now();
    for (const text of [
      `ENV ${'a=b '.repeat(1 << 18)}`,
      `ENV ${'a'.repeat(1 << 20)}`,
      `LABEL ${' '.repeat(1 << 20)}x`,
    ]) {
      try {
        applyChanges({}, [text]);
      } catch (error) {
        expect(VainaError.is(error)).to.equal(true);
      }
    }
    expect(performance.now() - begun).to.be.below(1000);
  });
});
