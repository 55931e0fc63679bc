// `node -r …/hook.cjs FILE.ts`: TypeScript without type checking for the many child processes of the tests. The
// output is kept by content, and so is what V8 makes of it, so that a child starts without loading or running a compiler.
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const vm = require('node:vm');

const REPO = path.resolve(__dirname, '../..');
const CACHE = path.join(REPO, 'node_modules', '.cache', 'vaina-test');
const OPTIONS = { target: 'ES2022', module: 'CommonJS', esModuleInterop: true };

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  if (request === 'vaina') request = path.join(REPO, 'lib', 'index.ts');
  if (/^\.\.?\/.*\.js$/.test(request) && parent?.filename?.endsWith('.ts')) {
    const candidate = path.resolve(path.dirname(parent.filename), request.slice(0, -3) + '.ts');
    if (fs.existsSync(candidate)) return candidate;
  }
  return resolve.call(this, request, parent, ...rest);
};

/** Writes a file of the cache, whole or not at all. */
function keep(kept, content) {
  try {
    fs.mkdirSync(CACHE, { recursive: true });
    fs.writeFileSync(`${kept}.${process.pid}`, content);
    fs.renameSync(`${kept}.${process.pid}`, kept);
  } catch {
    // Another user's checkout: then every child compiles for itself.
  }
}

function read(kept, encoding) {
  try {
    return fs.readFileSync(kept, encoding);
  } catch {
    return undefined;
  }
}

/** Where the output of a file is kept, without an ending; it is there afterwards, if it can be kept at all. */
function compile(file) {
  const source = fs.readFileSync(file, 'utf8');
  const hash = crypto.createHash('sha256').update(JSON.stringify(OPTIONS)).update(file).update(source);
  const kept = path.join(CACHE, hash.digest('hex'));
  const known = read(`${kept}.js`, 'utf8');
  if (known !== undefined) return { kept, code: known };
  const compilerOptions = OPTIONS;
  const { outputText } = require('typescript').transpileModule(source, { compilerOptions, fileName: file });
  const code = outputText.replace(/^#!.*/, '');
  keep(`${kept}.js`, code);
  return { kept, code };
}

/** Compiles a file and all of ours that it leads to: for a user who may read what is kept, and keep nothing. */
function prepare(file, seen = new Set()) {
  if (seen.has(file)) return;
  seen.add(file);
  for (const [, request] of compile(file).code.matchAll(/\brequire\("(\.\.?\/[^"]+)\.js"\)/g)) {
    const next = path.resolve(path.dirname(file), `${request}.ts`);
    if (fs.existsSync(next)) prepare(next, seen);
  }
}

require.extensions['.ts'] = (module, file) => {
  const { kept, code } = compile(file);
  const compiled = `${kept}.${process.version}`;
  const cachedData = read(compiled);
  const script = new vm.Script(Module.wrap(code), { filename: file, cachedData });
  const require = Module.createRequire(file);
  const run = script.runInThisContext();
  run.call(module.exports, module.exports, require, module, file, path.dirname(file));
  // Functions that its loading has called are compiled by now.
  if (cachedData === undefined || script.cachedDataRejected) keep(compiled, script.createCachedData());
};

module.exports = { prepare };
