// Works on a store with the engine until it is killed. Argument: JSON of KillTask. Prints a line for each step of its work.
import { Engine } from '../../../lib/index.js';

export interface KillTask {
  root: string;
  runroot: string;
  work: 'pull' | 'load' | 'rmi' | 'prune';
  /** What is pulled, or the path of the archive, or the image that is removed. */
  what: string;
}

async function main(): Promise<void> {
  const { root, runroot, work, what } = JSON.parse(process.argv[2] ?? '{}') as KillTask;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const engine = await Engine.open({ root, runroot });
  say('begin');
  const onProgress = ({ phase, id }: { phase: string; id: string }): void => say(`${phase} ${id}`);
  if (work === 'pull') await engine.images.pull(what, { tlsVerify: false, onProgress });
  else if (work === 'load') await engine.images.load(what);
  else if (work === 'rmi') await (await engine.images.get(what)).remove();
  else await engine.images.prune({ all: true });
  say('end');
  await engine.close();
}

void main();
