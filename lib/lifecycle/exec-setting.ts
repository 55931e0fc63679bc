import { encodePlan } from '../spec/encode.js';
import { compileExecSetting } from '../spec/exec-plan.js';
import type { ExecOptions } from '../spec/options.js';
import type { Plan } from '../spec/steps.js';
import { requireContainer } from './catalogue.js';
import { userFiles, userFilesIn, type UserFiles } from './container-facts.js';
import { filesOf, type Context } from './context.js';
import { isPlainRootfs } from './files.js';
import { seccompFilter } from './plan-of.js';
import { treesOf } from './root-source.js';
import { settledSpec } from './spec-file.js';

/** The plan of an exec but for its last step, the command: the same for all execs of a container with the same options. */
export interface ExecSetting {
  /** What it was compiled from. */
  key: string;
  plan: Plan;
  encoded: Buffer;
}

interface Terminal {
  rows: number;
  columns: number;
}

/** How many an engine keeps: each is some 10 kB. */
const KEPT = 256;

/** The setting of the container's last exec, if it was the same: found without waiting for anything. */
export function lastSetting(
  context: Context,
  id: string,
  options: ExecOptions,
  terminal: Terminal,
): ExecSetting | undefined {
  const known = context.execs.get(id);
  return known?.key === keyOf(options, terminal) ? known : undefined;
}

/** Compiles the setting of an exec, and keeps it for the next. */
export async function execSetting(
  context: Context,
  id: string,
  options: ExecOptions,
  terminal: Terminal,
): Promise<ExecSetting> {
  const spec = await settledSpec(context, id);
  const seccomp = options.privileged ? undefined : seccompFilter(context, spec.linux.seccomp);
  const plan = compileExecSetting(spec, options, {
    id,
    host: context.host,
    ...(options.user === undefined ? {} : usersOf(context, id)),
    ...(seccomp ? { seccomp } : {}),
    ...(options.tty ? { terminal } : {}),
  });
  const setting: ExecSetting = { key: keyOf(options, terminal), plan, encoded: encodePlan(plan) };
  // The container may have other users the next time.
  if (options.user === undefined) keep(context.execs, id, setting);
  return setting;
}

function keyOf(options: ExecOptions, terminal: Terminal): string {
  // As a rule there are none.
  if (Object.keys(options).length === 0) return '';
  return JSON.stringify([options, terminal]);
}

function keep(execs: Context['execs'], id: string, setting: ExecSetting): void {
  execs.delete(id);
  const [oldest] = execs.keys();
  if (execs.size >= KEPT && oldest !== undefined) execs.delete(oldest);
  execs.set(id, setting);
}

/** The passwd and group files as the container has them now: what it wrote itself lies over the image's. */
function usersOf(context: Context, id: string): UserFiles {
  const { imageId, options } = requireContainer(context, id).record;
  const trees = treesOf(context, imageId, options);
  const below = userFiles(context, { trees, ...(imageId === undefined ? {} : { imageId }) });
  return isPlainRootfs(options) ? below : userFilesIn(context, filesOf(context, id).upper, below);
}
