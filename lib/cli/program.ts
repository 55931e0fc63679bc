import { COMMANDS, type Entry } from './commands.js';
import { CliCommand } from './command.js';
import { CommandError, detailsOf, EXIT_ENGINE, exitCodeOf, messageOf, UsageError } from './errors.js';
import { flag, type Flag } from './flags.js';
import { imageGlobalFlags } from './transports/flags.js';
import { helpOf } from './help.js';
import type { Host, StoreOptions } from './host.js';
import type { Library } from './library.js';
import type { Given, Session, Verb } from './verb.js';
import { packageVersion as version } from '../util/version.js';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal', 'panic'];

interface GlobalGiven extends StoreOptions {
  logLevel?: string;
  version?: boolean;
}

/** The flags that every command takes, before or after its name. */
function globalFlags(): Flag[] {
  return [
    flag(
      '--log-level <string>',
      `Log messages above specified level (${LOG_LEVELS.join(', ')}) (default "warn")`,
      'string',
    ),
    flag(
      '--root <string>',
      'Path to the root directory in which data, including images, is stored',
      'string',
    ),
    flag('--runroot <string>', "Path to the 'run directory' where all state information is stored", 'string'),
  ];
}

/**
 * The command line.
 * @param argv - the arguments after the name of the program
 * @returns the exit code
 */
export async function main(argv: readonly string[], host: Host): Promise<number> {
  return new Program(host).run(argv);
}

class Program {
  #exitCode = 0;
  #engine: Promise<Library> | undefined;
  #debug = false;
  /** The command that is being read, for the advice after an error. */
  #current: CliCommand;
  /** Its exit code for a failure that has no other. */
  #failure = EXIT_ENGINE;
  readonly #root: CliCommand;

  constructor(private readonly host: Host) {
    const root = new CliCommand('vaina');
    root.description('Manage containers and images').exitOverride();
    for (const option of globalFlags()) root.addOption(option);
    // skopeo's words before the command; the command says whether they are its own.
    for (const option of imageGlobalFlags()) root.addOption(option.hideHelp());
    root.addOption(flag('-v, --version', 'version for vaina'));
    this.#root = root;
    this.#current = root;
    this.#group(root, COMMANDS);
  }

  async run(argv: readonly string[]): Promise<number> {
    try {
      await this.#root.parseAsync([...argv], { from: 'user' });
    } catch (error) {
      if (!isCommanderExit(error)) this.#exitCode = this.#fail(error);
    }
    await this.#close();
    return this.#exitCode;
  }

  #group(parent: CliCommand, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const child = parent.command(entry.name);
      child.description(entry.summary).exitOverride().helpOption(false);
      for (const alias of entry.aliases ?? []) child.alias(alias);
      if ('commands' in entry) this.#group(child, entry.commands);
    }
    parent.helpOption(false).helpCommand(false);
    parent.hook('preSubcommand', (_, child) => {
      const known = entries.find((entry) => entry.name === child.name());
      this.#current = child as CliCommand;
      if (known && 'load' in known) this.#define(child as CliCommand, known.load());
    });
    // Reached when there is no command below, or none of this name.
    parent.allowExcessArguments().allowUnknownOption();
    parent.action(() => this.#noCommand(parent));
  }

  #noCommand(command: CliCommand): void {
    const [name] = command.args;
    if (command === this.#root && (command.opts<GlobalGiven>().version ?? false)) {
      return this.host.write(1, `vaina version ${version()}\n`);
    }
    const asked = command.helpAsked || (name === 'help' && command === this.#root);
    if (!asked && name !== undefined) {
      const advice = `Try '${command.path} --help' for more information`;
      throw new UsageError(`unrecognized command \`${command.path} ${name}\``, advice);
    }
    this.host.write(1, helpOf(command, command === this.#root ? '[options] [command]' : '[command]'));
    if (!asked) throw new CommandError(`missing command '${command.path} COMMAND'`);
  }

  #define(command: CliCommand, definition: Verb): void {
    for (const option of definition.flags) command.addOption(option);
    for (const option of globalFlags()) {
      // A flag of podman's that every command has; help shows it once, at the top.
      if (!command.options.some((known) => known.long === option.long)) command.addOption(option.hideHelp());
    }
    command.stopsAtArgument = definition.stopsAtArgument ?? false;
    this.#failure = definition.failure ?? EXIT_ENGINE;
    this.#handDown(command);
    command.allowExcessArguments().allowUnknownOption();
    command.action(async () => {
      if (command.helpAsked) {
        this.host.write(1, helpOf(command, `[options] ${definition.usage}`));
        return;
      }
      const given = command.opts<Given & GlobalGiven>();
      const global: GlobalGiven = { ...this.#root.opts<GlobalGiven>(), ...pick(given) };
      this.#logLevel(global.logLevel ?? ((given['debug'] as boolean | undefined) ? 'debug' : 'warn'));
      this.#exitCode = await definition.run(this.#session(command, global), command.args, given);
    });
  }

  /** Gives a command the flags that stood before its name; those after it win. */
  #handDown(command: CliCommand): void {
    for (const { long } of imageGlobalFlags()) {
      const given = this.#root.options.find((option) => option.long === long);
      if (!given || this.#root.getOptionValueSource(given.attributeName()) !== 'cli') continue;
      const own = command.options.find((option) => option.long === long);
      if (!own) throw new UsageError(`unknown flag: ${long}`);
      command.setOptionValueWithSource(
        own.attributeName(),
        this.#root.getOptionValue(given.attributeName()),
        'env',
      );
    }
  }

  #logLevel(level: string): void {
    if (!LOG_LEVELS.includes(level)) {
      throw new CommandError(
        `Log Level "${level}" is not supported, choose from: ${LOG_LEVELS.join(', ')}`,
        1,
      );
    }
    this.#debug = level === 'debug' || level === 'trace';
  }

  #session(command: CliCommand, { root, runroot }: GlobalGiven): Session {
    const host = this.host;
    const store = { ...(root === undefined ? {} : { root }), ...(runroot === undefined ? {} : { runroot }) };
    return {
      host,
      store,
      path: command.path,
      engine: () => (this.#engine ??= host.open(store)),
      jobs: host.jobs,
      print: (line) => host.write(1, `${line}\n`),
      out: (text) => host.write(1, text),
      err: (text) => host.write(2, text),
      warn: (message) => host.write(2, `Warning: ${message}\n`),
      complain: (error) => this.#fail(error),
      abortable: (work) => abortable(host, work),
    };
  }

  /** Prints an error; returns the exit code. */
  #fail(error: unknown): number {
    // Whoever reads our output has gone: there is nobody to tell.
    if ((error as NodeJS.ErrnoException | null)?.code === 'EPIPE') return 128 + 13;
    const lines = [`Error: ${messageOf(error)}\n`];
    if (error instanceof UsageError) lines.push(`${error.advice ?? `See '${this.#current.path} --help'`}\n`);
    else if (this.#debug) lines.push(detailsOf(error));
    try {
      this.host.write(2, lines.join(''));
    } catch {
      // The exit code still tells.
    }
    const code = exitCodeOf(error);
    return code === EXIT_ENGINE ? this.#failure : code;
  }

  async #close(): Promise<void> {
    try {
      await (await this.#engine)?.close();
    } catch (error) {
      // An engine that could not be opened has been complained of already.
      if (this.#exitCode === 0) this.#exitCode = this.#fail(error);
    }
  }
}

function pick(given: GlobalGiven): GlobalGiven {
  const { root, runroot, logLevel } = given;
  return Object.fromEntries(
    Object.entries({ root, runroot, logLevel }).filter(([, value]) => value !== undefined),
  );
}

function isCommanderExit(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.');
}

async function abortable<T>(host: Host, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (code: number) => () => controller.abort(new CommandError('interrupted', code));
  const off = [host.onSignal('SIGINT', stop(130)), host.onSignal('SIGTERM', stop(143))];
  try {
    return await work(controller.signal);
  } catch (error) {
    // Whatever the library makes of it, the exit code is that of the signal.
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    for (const each of off) each();
  }
}
