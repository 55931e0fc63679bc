import { expect } from 'chai';
import { VainaError } from '../../../lib/errors.js';
import { formatImageName, hasTransport, parseImageName, referenceOf } from '../../../lib/transports/name.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;

/** The error that a name is refused with. */
function refusal(name: string): VainaError {
  try {
    parseImageName(name);
  } catch (error) {
    if (VainaError.is(error)) return error;
    throw error;
  }
  throw new Error(`${name} was taken`);
}

describe('transports: names', () => {
  it('are taken apart and put together again', () => {
    const forms: Record<string, string> = {
      'docker://busybox': 'docker://docker.io/library/busybox:latest',
      'docker://localhost:5000/a/b:c': 'docker://localhost:5000/a/b:c',
      [`docker://quay.io/a@${DIGEST}`]: `docker://quay.io/a@${DIGEST}`,
      'oci:/srv/images': 'oci:/srv/images',
      'oci:images:v1.0+x': 'oci:images:v1.0+x',
      'oci:images:@2': 'oci:images:@2',
      'oci-archive:/a.tar:name': 'oci-archive:/a.tar:name',
      'docker-archive:/a.tar': 'docker-archive:/a.tar',
      'docker-archive:/a.tar:busybox': 'docker-archive:/a.tar:docker.io/library/busybox:latest',
      'docker-archive:/a.tar:@3': 'docker-archive:/a.tar:@3',
      'dir:/srv/with:colon': 'dir:/srv/with:colon',
      'docker-daemon:busybox:1': 'docker-daemon:docker.io/library/busybox:1',
      [`docker-daemon:${DIGEST}`]: `docker-daemon:${DIGEST}`,
      'containers-storage:busybox': 'containers-storage:busybox',
      'containers-storage:[overlay@/a+/b:overlay.imagestore=/c]x:y':
        'containers-storage:[overlay@/a+/b:overlay.imagestore=/c]x:y',
      'containers-storage:[/a]x': 'containers-storage:[/a]x',
      'vaina:busybox': 'vaina:busybox',
    };
    for (const [name, full] of Object.entries(forms)) {
      const parsed = parseImageName(name);
      expect(formatImageName(parsed), name).to.equal(full);
      expect(parseImageName(full), full).to.deep.equal(parsed);
      expect(hasTransport(name), name).to.equal(true);
    }
  });

  it('are refused with the words of skopeo', () => {
    const wrong: Record<string, string> = {
      foo: 'expected colon-separated transport:reference',
      'foo:bar': 'unknown transport "foo"',
      'constructor:x': 'unknown transport "constructor"',
      'docker:foo': 'image reference foo does not start with //',
      'docker://A': 'must be lower case',
      [`docker://a:b@${DIGEST}`]: 'both a tag and digest are currently not supported',
      'oci:': 'the path is empty',
      'oci:/tmp:a b': 'invalid image a b',
      'docker-archive:': "isn't of the form <path>[:<reference>]",
      [`docker-archive:/x:a@${DIGEST}`]: 'does not include a tag',
      'docker-archive:/x:@y': 'invalid source index @y',
      'docker-archive:/x:@-1': 'must not be negative',
      'docker-daemon:busybox': 'has neither a tag nor a digest',
      'docker-daemon:sha256:12': 'reserved for (non-shortened) digest references',
      'containers-storage:': '"" is an empty reference',
      'containers-storage:[x]foo': 'path name is not absolute',
      'containers-storage:[/a': 'invalid reference',
      'vaina:': 'is empty',
      'dir:/a\0b': 'NUL',
    };
    for (const [name, words] of Object.entries(wrong)) {
      const error = refusal(name);
      expect(error.code, name).to.equal('ERR_INVALID_REFERENCE');
      expect(error.message).to.include(words).and.to.include(`parsing image name "${name}"`);
    }
  });

  it('say what is not supported', () => {
    for (const name of ['tarball:/a.tar', 'ostree:x']) {
      expect(refusal(name).code, name).to.equal('ERR_UNSUPPORTED');
      expect(hasTransport(name)).to.equal(true);
    }
  });

  it('are told from plain names', () => {
    for (const name of ['busybox', 'busybox:latest', 'docker:5000/x', 'quay.io/a:b', 'abcdef']) {
      expect(hasTransport(name), name).to.equal(false);
    }
  });

  it('have a reference for policies where the transport knows one', () => {
    expect(referenceOf(parseImageName('docker://busybox'))?.path).to.equal('library/busybox');
    expect(referenceOf(parseImageName('dir:/x'))).to.equal(undefined);
  });
});
