import type { CliCommand } from './command.js';
import type { Flag } from './flags.js';

/** The help of a command, laid out as podman's. */
export function helpOf(command: CliCommand, usage: string): string {
  const lines = [command.description(), '', 'Usage:', `  ${command.path} ${usage}`.trimEnd(), ''];
  const below = command.commands;
  if (below.length > 0) {
    const width = Math.max(...below.map((child) => child.name().length));
    lines.push('Available Commands:');
    for (const child of below) lines.push(`  ${child.name().padEnd(width)} ${child.description()}`);
    lines.push('');
  }
  const flags = command.options.filter((option) => !option.hidden) as Flag[];
  if (flags.length > 0) {
    const shown = flags.map((option) => [nameOf(option), option.description] as const);
    const width = Math.max(...shown.map(([name]) => name.length));
    lines.push('Options:');
    for (const [name, description] of shown) lines.push(`${name.padEnd(width)}   ${description}`);
    lines.push('');
  }
  return lines.join('\n');
}

function nameOf(option: Flag): string {
  const word = option.flags.split(/[ ]/).at(-1) ?? '';
  const value = option.valueKind === 'bool' || word.startsWith('-') ? '' : ` ${word.replace(/[<>]/g, '')}`;
  return `${option.short === undefined ? '      ' : `  ${option.short}, `}${option.long}${value}`;
}
