import { homedir } from 'node:os';

/** The user's home directory; undefined where there is none. */
export function homeOf(env: NodeJS.ProcessEnv): string | undefined {
  const home = env['HOME'] ?? homedir();
  return home === '' ? undefined : home;
}
