// `node -r …/hook.cjs FILE.ts`: TypeScript without type checking for the many child processes of the tests. The
// output is kept by content, so that a child starts without loading the compiler.
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

const REPO = path.resolve(__dirname, '../..');
const CACHE = path.join(REPO, 'node_modules', '.cache', 'vaina-test');
const OPTIONS = { target: 'ES2022', module: 'CommonJS', esModuleInterop: true, inlineSourceMap: true };

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  if (request === 'vaina') request = path.join(REPO, 'lib', 'index.ts');
  if (/^\.\.?\/.*\.js$/.test(request) && parent?.filename?.endsWith('.ts')) {
    const candidate = path.resolve(path.dirname(parent.filename), request.slice(0, -3) + '.ts');
    if (fs.existsSync(candidate)) return candidate;
  }
  return resolve.call(this, request, parent, ...rest);
};

function compile(file) {
  const source = fs.readFileSync(file, 'utf8');
  const key = crypto
    .createHash('sha256')
    .update(JSON.stringify(OPTIONS))
    .update(file)
    .update(source)
    .digest('hex');
  const kept = path.join(CACHE, `${key}.js`);
  try {
    return fs.readFileSync(kept, 'utf8');
  } catch {
    const text = require('typescript').transpileModule(source, {
      compilerOptions: OPTIONS,
      fileName: file,
    }).outputText;
    try {
      fs.mkdirSync(CACHE, { recursive: true });
      fs.writeFileSync(`${kept}.${process.pid}`, text);
      fs.renameSync(`${kept}.${process.pid}`, kept);
    } catch {
      // Another user's checkout: then every child compiles for itself.
    }
    return text;
  }
}

require.extensions['.ts'] = (module, file) => module._compile(compile(file), file);
