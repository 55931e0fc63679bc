/** Where the script of an image is put, as skopeo does it. */
export const RUNSCRIPT = 'podman/runscript';

/**
 * The script that a definition file amounts to in a container: its `%environment`, then its `%runscript`; undefined when it
 * has neither. The other sections are of the build.
 *
 * @param shell - what the script ends in where there is only an environment
 */
export function runscriptOf(definition: string, shell: string): string | undefined {
  const environment = sectionOf(definition, 'environment');
  const run = sectionOf(definition, 'runscript');
  if (environment.length === 0 && run.length === 0) return undefined;
  const [first = ''] = run;
  // A script may name its own interpreter.
  const [interpreter, lines] = first.startsWith('#!') ? [first, run.slice(1)] : ['#!/bin/sh', run];
  return [interpreter, ...environment, ...(lines.length > 0 ? lines : [`exec ${shell}`]), ''].join('\n');
}

/** The lines of all sections of this name, without the blank ones around them. */
function sectionOf(definition: string, name: string): string[] {
  let inside = false;
  const lines: string[] = [];
  for (const line of definition.split(/\r?\n/)) {
    const [, section] = /^%(\S+)/.exec(line) ?? [];
    if (section !== undefined) inside = section === name;
    else if (inside) lines.push(line);
  }
  const filled = lines.map((line) => line.trim() !== '');
  return lines.slice(
    filled.indexOf(true) < 0 ? lines.length : filled.indexOf(true),
    filled.lastIndexOf(true) + 1,
  );
}
