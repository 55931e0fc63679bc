import { spawn } from 'node:child_process';
import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';
import type { Secret } from './credentials.js';
import type { Credentials } from './options.js';

const TIMEOUT = 30_000;
const MAX_OUTPUT = 1024 * 1024;

/** What a credential helper can be told to do (docker-credential-helpers). */
type Verb = 'get' | 'store' | 'erase' | 'list';

/**
 * Asks a credential helper, the program `docker-credential-NAME` in PATH, for what it has for a server.
 *
 * @returns undefined when it has nothing
 * @throws VainaError `ERR_UNAUTHORIZED` when the helper is missing or fails
 */
export async function askHelper(
  name: string,
  server: string,
  env: NodeJS.ProcessEnv,
): Promise<Secret | undefined> {
  const output = await call(name, 'get', server, server, env);
  if (output === undefined) return undefined;
  const { Username: username, Secret: secret } = (parse(name, server, output) ?? {}) as {
    Username?: unknown;
    Secret?: unknown;
  };
  if (typeof username !== 'string' || typeof secret !== 'string') {
    throw new VainaError(
      'ERR_UNAUTHORIZED',
      `docker-credential-${name} answered without a user name or secret for ${server}`,
    );
  }
  if (secret === '') return undefined;
  return username === '<token>'
    ? { kind: 'identity', token: secret }
    : { kind: 'password', username, password: secret };
}

/** Gives a credential helper something to keep. Throws as {@link askHelper}. */
export async function storeInHelper(
  name: string,
  server: string,
  { username, password }: Credentials,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const input = JSON.stringify({ ServerURL: server, Username: username, Secret: password });
  await call(name, 'store', input, server, env);
}

/** Makes a credential helper forget. Throws as {@link askHelper}. Returns whether it had something. */
export async function eraseFromHelper(
  name: string,
  server: string,
  env: NodeJS.ProcessEnv,
): Promise<boolean> {
  // Many helpers end well when there was nothing to erase.
  if ((await askHelper(name, server, env)) === undefined) return false;
  return (await call(name, 'erase', server, server, env)) !== undefined;
}

/** The servers that a credential helper has something for. Throws as {@link askHelper}. */
export async function listHelper(name: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const output = await call(name, 'list', '', 'its list', env);
  const list = output === undefined || output.trim() === '' ? {} : parse(name, 'its list', output);
  return typeof list === 'object' && list !== null ? Object.keys(list) : [];
}

/** What a helper writes; undefined when it says that it has nothing. */
async function call(
  name: string,
  verb: Verb,
  input: string,
  subject: string,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new VainaError('ERR_INVALID_OPTION', `${quote(name)} is not the name of a credential helper`);
  }
  const program = `docker-credential-${name}`;
  const { status, output } = await run(program, verb, input, env);
  if (status === 0) return output;
  if (/credentials not found|no usernames|no credentials/i.test(output)) return undefined;
  // What it says of a secret that it was given to keep may be that secret.
  const said = verb === 'store' || output.trim() === '' ? `status ${status}` : output.trim();
  throw new VainaError('ERR_UNAUTHORIZED', `${program} failed for ${subject}: ${quote(said)}`);
}

function parse(name: string, subject: string, output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    throw new VainaError(
      'ERR_UNAUTHORIZED',
      `docker-credential-${name} did not answer with JSON for ${subject}`,
    );
  }
}

function run(
  program: string,
  verb: Verb,
  input: string,
  env: NodeJS.ProcessEnv,
): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [verb], { env, stdio: ['pipe', 'pipe', 'ignore'], timeout: TIMEOUT });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
      if (output.length > MAX_OUTPUT) child.kill('SIGKILL');
    });
    // A helper need not read its input.
    child.stdin.on('error', () => undefined);
    child.on('error', (cause) => {
      reject(
        new VainaError('ERR_UNAUTHORIZED', `credential helper ${program} cannot be run`, {
          path: program,
          cause,
        }),
      );
    });
    child.on('close', (status) => resolve({ status: status ?? -1, output }));
    child.stdin.end(input);
  });
}
