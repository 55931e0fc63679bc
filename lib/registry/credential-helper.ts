import { spawn } from 'node:child_process';
import { VainaError } from '../errors.js';
import { quote } from '../util/text.js';
import type { Secret } from './credentials.js';

const TIMEOUT = 30_000;
const MAX_OUTPUT = 1024 * 1024;

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
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new VainaError('ERR_INVALID_OPTION', `${quote(name)} is not the name of a credential helper`);
  }
  const program = `docker-credential-${name}`;
  const { status, output } = await run(program, server, env);
  if (status !== 0) {
    if (/credentials not found|no usernames|no credentials/i.test(output)) return undefined;
    throw new VainaError(
      'ERR_UNAUTHORIZED',
      `${program} failed for ${server}: ${quote(output.trim() || `status ${status}`)}`,
    );
  }
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    throw new VainaError('ERR_UNAUTHORIZED', `${program} did not answer with JSON for ${server}`);
  }
  const { Username: username, Secret: secret } = (answer ?? {}) as { Username?: unknown; Secret?: unknown };
  if (typeof username !== 'string' || typeof secret !== 'string') {
    throw new VainaError(
      'ERR_UNAUTHORIZED',
      `${program} answered without a user name or secret for ${server}`,
    );
  }
  if (secret === '') return undefined;
  return username === '<token>'
    ? { kind: 'identity', token: secret }
    : { kind: 'password', username, password: secret };
}

function run(
  program: string,
  server: string,
  env: NodeJS.ProcessEnv,
): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { env, stdio: ['pipe', 'pipe', 'ignore'], timeout: TIMEOUT });
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
    child.stdin.end(server);
  });
}
