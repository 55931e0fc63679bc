import { VainaError } from '../errors.js';

const MEANINGS = {
  created: 'made, never started',
  running: 'its monitor lives',
  stopping: 'asked to stop, its monitor still lives',
  exited: 'ended, with an exit record',
  stopped: 'ended with its monitor lost: how it ended is unknown',
  removing: 'being removed; a crash left it half removed',
} as const;

/**
 * A state of {@link STATUSES}.
 * @useDeclaredType
 */
export type Status = keyof typeof MEANINGS;

/** The states of a container, in podman's words, and what each means. */
export const STATUSES: Readonly<Record<Status, string>> = MEANINGS;

const STATES_OF = {
  start: ['created', 'exited', 'stopped'],
  attach: ['running', 'stopping'],
  exec: ['running'],
  kill: ['running', 'stopping'],
  stop: ['created', 'running', 'stopping', 'exited', 'stopped'],
  remove: ['created', 'exited', 'stopped', 'removing'],
} as const satisfies Record<string, readonly Status[]>;

/**
 * A verb of {@link ALLOWED}.
 * @useDeclaredType
 */
export type Verb = keyof typeof STATES_OF;

/**
 * The states in which each verb is allowed: the only place that says so. The checks, the table in docs/lifecycle.md and
 * the test of every verb in every state come from it.
 */
export const ALLOWED: Readonly<Record<Verb, readonly Status[]>> = STATES_OF;

/** Throws ERR_INVALID_STATE unless the verb is allowed in this state. */
export function assertAllowed(verb: Verb, status: Status, name: string): void {
  if (ALLOWED[verb].includes(status)) return;
  throw new VainaError('ERR_INVALID_STATE', `cannot ${verb} container ${name}: it is ${status}`, {
    op: `container.${verb}`,
    subject: name,
    ...(verb === 'remove' ? { hint: 'stop it first, or remove it with force' } : {}),
  });
}
