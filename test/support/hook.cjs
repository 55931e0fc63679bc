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

function javaScript(file, source, kept) {
  const text = read(kept, 'utf8');
  if (text !== undefined) return text;
  const compilerOptions = OPTIONS;
  const { outputText } = require('typescript').transpileModule(source, { compilerOptions, fileName: file });
  const compiled = outputText.replace(/^#!.*/, '');
  keep(kept, compiled);
  return compiled;
}

require.extensions['.ts'] = (module, file) => {
  const source = fs.readFileSync(file, 'utf8');
  const key = crypto
    .createHash('sha256')
    .update(JSON.stringify(OPTIONS))
    .update(file)
    .update(source)
    .digest('hex');
  const kept = path.join(CACHE, `${key}.js`);
  const code = `${kept}.${process.version}`;
  const cachedData = read(code);
  const script = new vm.Script(Module.wrap(javaScript(file, source, kept)), { filename: file, cachedData });
  const require = Module.createRequire(file);
  const run = script.runInThisContext();
  run.call(module.exports, module.exports, require, module, file, path.dirname(file));
  // Functions that its loading has called are compiled by now.
  if (cachedData === undefined || script.cachedDataRejected) keep(code, script.createCachedData());
};
