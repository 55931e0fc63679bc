import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect } from 'chai';

const REPO = resolve(__dirname, '../..');

/**
 * The layers of the library, top first: a file may import from its own layer and from those below it. What is not in
 * lib/ below one of these names is a noun: a public class in a file of its own.
 */
const LAYERS: readonly (readonly string[])[] = [
  ['index'],
  ['engine'],
  ['nouns'],
  ['cli', 'api'],
  ['build'],
  ['kube', 'systemd'],
  ['lifecycle'],
  ['transports', 'registry-server'],
  ['registry', 'signature'],
  ['store'],
  ['net'],
  ['spec'],
  ['oci'],
  ['native'],
  ['errors', 'util'],
];

/** What package.json exports beside the engine: the door of a layer is open to programs too. */
const DOORS: readonly string[] = ['registry/index.ts', 'signature/index.ts', 'transports/index.ts'];

/** What calls the library and is called by nothing of it. */
const PROGRAMS: ReadonlySet<string> = new Set(['cli', 'api']);

/** Layers that see less, or something else, than what is below them. */
const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  // Programs like any other: they use the public doors and nothing behind them.
  cli: ['cli', 'index', 'errors', 'util'],
  api: ['api', 'index', 'errors', 'util'],
  // References to bytes: no store, no addon.
  registry: ['registry', 'oci', 'errors', 'util'],
  signature: ['signature', 'oci', 'errors', 'util'],
  // Names of images to sources and sinks; a store is given to them by who has one.
  transports: ['transports', 'registry', 'signature', 'oci', 'errors', 'util'],
  // Pure: what it needs to know of the world comes in as arguments.
  spec: ['spec', 'oci', 'errors', 'util'],
  errors: ['errors'],
};

/** What a layer may name with `import type` beside that: seams it fills or is filled by, nothing that runs. */
const TYPES_ONLY: Readonly<Record<string, readonly string[]>> = {
  spec: ['native'],
};

/** Packages, each with the layers that may load it. Modules of Node.js are not among them. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  axios: ['registry'],
  'p-queue': ['registry', 'oci', 'store'],
  commander: ['cli'],
  'better-sqlite3': ['store'],
  'tar-stream': ['oci', 'store'],
  'smol-toml': ['util'],
  yaml: ['signature', 'transports'],
  semver: ['transports'],
  '@noble/ciphers': ['signature'],
};

/** The same for the C++ half: each directory with those that its files may include from. */
const NATIVE: Readonly<Record<string, readonly string[]>> = {
  addon: ['addon', 'plan', 'store', 'sys', 'tables'],
  monitor: ['monitor', 'plan', 'store', 'sys', 'tables'],
  plan: ['plan', 'store', 'sys', 'tables'],
  store: ['store', 'sys', 'tables'],
  sys: ['sys', 'tables'],
  tables: ['tables'],
};

function filesBelow(directory: string, extension: RegExp): string[] {
  return readdirSync(join(REPO, directory), { recursive: true, encoding: 'utf8' })
    .filter((path) => extension.test(path))
    .map((path) => join(REPO, directory, path));
}

function layerOf(file: string): string {
  const [first = '', second] = relative(join(REPO, 'lib'), file).split('/');
  if (second !== undefined) return first;
  const name = first.replace(/\.ts$/, '');
  return LAYERS.some((layer) => layer.includes(name)) ? name : 'nouns';
}

function mayImport(from: string, to: string): boolean {
  const exception = EXCEPTIONS[from];
  if (exception) return exception.includes(to);
  const rank = (name: string): number => LAYERS.findIndex((layer) => layer.includes(name));
  return rank(to) >= rank(from) && (from === to || rank(to) > rank(from) || rank(from) === LAYERS.length - 1);
}

/** The text without `import type … from` and `typeof import()`: what is left when it runs. */
function withoutTypes(text: string): string {
  return text
    .replace(/\b(import|export) type [^;]*? from '[^']+';/g, '')
    .replace(/\btypeof import\('[^']+'\)/g, '');
}

/** Every module that the text names: import, export … from, import(), require(). */
function importsOf(text: string): string[] {
  const pattern = /(?:^|[^\w.])(?:from|import|require)\s*\(?\s*(['"])([^'"\n]+)\1\s*[;)]/gm;
  // A comment may quote an example.
  const code = text.replace(/^\s*(\*|\/\/).*$/gm, '');
  return [...code.matchAll(pattern)].map((match) => match[2] ?? '');
}

/** The package of a module: `@scope/name` of `@scope/name/part.js`. */
function packageOf(module: string): string {
  return module
    .split('/')
    .slice(0, module.startsWith('@') ? 2 : 1)
    .join('/');
}

describe('imports', () => {
  const sources = filesBelow('lib', /\.ts$/);

  it('has files to check', () => {
    expect(sources.length).to.be.greaterThan(50);
    for (const file of sources) expect(LAYERS.flat(), file).to.include(layerOf(file));
  });

  it('go down the list of layers only', () => {
    const wrong: string[] = [];
    for (const file of sources) {
      const from = layerOf(file);
      const text = readFileSync(file, 'utf8');
      const running = new Set(importsOf(withoutTypes(text)));
      for (const name of importsOf(text)) {
        if (!name.startsWith('.')) continue;
        const target = resolve(dirname(file), name.replace(/\.js$/, '.ts'));
        // package.json and the like lie outside of lib.
        if (relative(join(REPO, 'lib'), target).startsWith('..')) continue;
        const to = layerOf(target);
        if (!running.has(name) && TYPES_ONLY[from]?.includes(to) === true) continue;
        if (PROGRAMS.has(from) && DOORS.includes(relative(join(REPO, 'lib'), target))) continue;
        if (!mayImport(from, to)) wrong.push(`${relative(REPO, file)} (${from}) imports ${name} (${to})`);
      }
    }
    expect(wrong.join('\n')).to.equal('');
  });

  it('name files that exist, with their extension', () => {
    const wrong: string[] = [];
    for (const file of sources) {
      for (const name of importsOf(readFileSync(file, 'utf8'))) {
        if (!name.startsWith('.')) continue;
        const target = resolve(dirname(file), name);
        if (!existsSync(target) && !(name.endsWith('.js') && existsSync(target.replace(/\.js$/, '.ts')))) {
          wrong.push(`${relative(REPO, file)}: ${name}`);
        }
      }
    }
    expect(wrong.join('\n')).to.equal('');
  });

  it('load a package only where it belongs, and each one that is declared', () => {
    const wrong: string[] = [];
    const used = new Set<string>();
    for (const file of sources) {
      for (const name of importsOf(readFileSync(file, 'utf8'))) {
        if (name.startsWith('.') || name.startsWith('node:')) continue;
        const owner = packageOf(name);
        used.add(owner);
        if (PACKAGES[owner]?.includes(layerOf(file)) !== true) wrong.push(`${relative(REPO, file)}: ${name}`);
      }
    }
    expect(wrong.join('\n')).to.equal('');
    const { dependencies, optionalDependencies } = JSON.parse(
      readFileSync(join(REPO, 'package.json'), 'utf8'),
    ) as {
      dependencies: Record<string, string>;
      optionalDependencies: Record<string, string>;
    };
    // nan is a header that only the compiler reads.
    const declared = Object.keys({ ...dependencies, ...optionalDependencies }).filter(
      (name) => name !== 'nan',
    );
    expect([...used].sort()).to.deep.equal(declared.sort());
  });

  it('keep the compilers of lib/spec free of the file system, the clock and everything else of the host', () => {
    const wrong: string[] = [];
    for (const file of sources.filter((path) => layerOf(path) === 'spec')) {
      const text = readFileSync(file, 'utf8');
      for (const name of importsOf(text))
        if (name.startsWith('node:') && name !== 'node:path') wrong.push(`${relative(REPO, file)}: ${name}`);
      const code = text.replace(/^\s*(\*|\/\/|\/\*\*).*$/gm, '');
      // `process` alone may be the runtime spec's; these can only be Node's.
      const clock = /\bDate\.now|\bnew Date\(\)|\bMath\.random|\bperformance\.now/g;
      const node =
        /\bprocess\.((cwd|umask|uptime|hrtime|on)\(|(platform|arch|pid|argv|versions?|get[a-z]*id)\b|env\[)/g;
      for (const [call] of [...code.matchAll(clock), ...code.matchAll(node)]) {
        wrong.push(`${relative(REPO, file)}: ${call}`);
      }
    }
    expect(wrong.join('\n')).to.equal('');
  });

  it('load the addon in one place', () => {
    const places = sources
      .filter((file) => /\.node['"`]/.test(readFileSync(file, 'utf8')))
      .map((file) => relative(REPO, file));
    expect(places).to.have.length(1);
    expect(places[0]).to.match(/^lib\/native\//);
  });
});

describe('includes of the C++ half', () => {
  const sources = filesBelow('csrc', /\.(cc|h|def)$/);

  it('has files to check', () => {
    expect(sources.length).to.be.greaterThan(20);
    for (const file of sources)
      expect(Object.keys(NATIVE)).to.include(relative(join(REPO, 'csrc'), file).split('/')[0]);
  });

  it('go down the same way', () => {
    const wrong: string[] = [];
    for (const file of sources) {
      const from = relative(join(REPO, 'csrc'), file).split('/')[0] ?? '';
      for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)) {
        const beside = resolve(dirname(file), name);
        const target = existsSync(beside) ? beside : join(REPO, 'csrc', name);
        const to = relative(join(REPO, 'csrc'), target).split('/')[0] ?? '';
        if (!existsSync(target)) wrong.push(`${relative(REPO, file)} includes ${name}, which is not there`);
        else if (NATIVE[from]?.includes(to) !== true) wrong.push(`${relative(REPO, file)} includes ${name}`);
      }
    }
    expect(wrong.join('\n')).to.equal('');
  });

  it('leave nan, v8 and libuv to csrc/addon', () => {
    const wrong: string[] = [];
    for (const file of sources) {
      if (relative(join(REPO, 'csrc'), file).startsWith('addon/')) continue;
      if (/#\s*include\s+[<"](nan|node|node_[a-z]+|v8[-a-z]*|uv)(\.h|\/)/.test(readFileSync(file, 'utf8')))
        wrong.push(relative(REPO, file));
    }
    expect(wrong.join('\n')).to.equal('');
  });
});
