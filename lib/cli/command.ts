import { Command, type ParseOptionsResult } from 'commander';
import { UsageError } from './errors.js';
import { Flag, readValue } from './flags.js';

/** Other names of flags, as podman takes them. */
const ALIASES: Record<string, string> = { net: 'network', timeout: 'time' };

/**
 * A command whose arguments are read by the rules of Go's pflag, which podman's users know: `--flag=false`, `-e=A=B`,
 * `-itd`, and flags either anywhere or only before the first argument.
 */
export class CliCommand extends Command {
  override createCommand(name?: string): CliCommand {
    return new CliCommand(name);
  }

  /** The path of names: `vaina container run`. */
  get path(): string {
    return this.parent ? `${(this.parent as CliCommand).path} ${this.name()}` : this.name();
  }

  /** Flags end at the first argument; a command with commands below it always is like that. */
  stopsAtArgument = false;

  /** Whether `--help` was given. */
  helpAsked = false;

  override parseOptions(argv: string[]): ParseOptionsResult {
    const operands: string[] = [];
    const unknown: string[] = [];
    const group = this.commands.length > 0;
    const rest = [...argv];
    while (rest.length > 0) {
      const arg = rest.shift()!;
      if (arg === '--') {
        operands.push(...rest);
        break;
      }
      if (arg === '-' || !arg.startsWith('-')) {
        operands.push(arg);
        if (!group && !this.stopsAtArgument) continue;
        // What follows belongs to the command below, or to the container.
        if (group) unknown.push(...rest);
        else operands.push(...rest);
        break;
      }
      if (arg === '--help') this.helpAsked = true;
      else if (arg.startsWith('--')) this.#long(arg.slice(2), rest);
      else this.#short(arg.slice(1), rest, arg);
    }
    return { operands, unknown };
  }

  #long(word: string, rest: string[]): void {
    const equals = word.indexOf('=');
    const given = equals === -1 ? word : word.slice(0, equals);
    const option =
      this.#find(`--${given}`) ?? this.#find(`--${Object.hasOwn(ALIASES, given) ? ALIASES[given] : ''}`);
    if (!option) throw new UsageError(`unknown flag: --${given}`);
    if (equals !== -1) this.#set(option, word.slice(equals + 1));
    else if (option.valueKind === 'bool') this.#set(option, 'true');
    else if (rest.length === 0) throw new UsageError(`flag needs an argument: --${given}`);
    else this.#set(option, rest.shift()!);
  }

  #short(letters: string, rest: string[], arg: string): void {
    for (let i = 0; i < letters.length; i++) {
      const letter = letters[i]!;
      const option = this.#find(`-${letter}`);
      if (!option) throw new UsageError(`unknown shorthand flag: '${letter}' in ${arg}`);
      const more = letters.slice(i + 1);
      if (more.startsWith('=')) return this.#set(option, more.slice(1));
      if (option.valueKind === 'bool') {
        this.#set(option, 'true');
        continue;
      }
      if (more !== '') return this.#set(option, more);
      if (rest.length === 0) throw new UsageError(`flag needs an argument: '${letter}' in ${arg}`);
      return this.#set(option, rest.shift()!);
    }
  }

  #find(name: string): Flag | undefined {
    return this.options.find((option) => option.long === name || option.short === name) as Flag | undefined;
  }

  #set(option: Flag, text: string): void {
    const key = option.attributeName();
    const value = readValue(
      option,
      text,
      this.getOptionValueSource(key) === 'cli' ? this.getOptionValue(key) : undefined,
    );
    this.setOptionValueWithSource(key, option.negate ? !value : value, 'cli');
  }
}
