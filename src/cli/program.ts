import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { COMMANDS, type CommandEntry } from './command-list.ts'
import { describeFailure, UsageError } from './failure.ts'
import { packageFile } from './package-files.ts'
import { Session, type Surroundings } from './session.ts'

/** Options of the program itself that take a value: what follows them is not the name of a command. */
const VALUED = ['--url', '--token']
const SHOWN = ['commander.helpDisplayed', 'commander.version']

/**
 * Runs one command line.
 * @param args without Node and the script
 * @returns the exit code: 0, 1 when it failed, 2 when the command line is wrong, 130 when it was interrupted
 */
export async function runCommandLine(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const program = newProgram(surroundings)
  const session = new Session(program, surroundings, args)
  try {
    const at = operandAt(args)
    const wanted = args[at] === 'help' ? args[operandAt(args, at + 1)] : args[at]
    const entry = COMMANDS.find(command => command.name === wanted)
    for (const command of COMMANDS) program.addCommand(await commandOf(command, entry, session))
    await program.parseAsync(entry?.passThrough && args[at] !== 'help' ? passedThrough(args, at) : args, {
      from: 'user',
    })
    return session.exitCode
  } catch (error) {
    if (error instanceof CommanderError && SHOWN.includes(error.code)) return 0
    if (error instanceof CommanderError && error.code.startsWith('commander.help')) return args.includes('help') ? 0 : 2
    const failure = describeFailure(error instanceof CommanderError ? usageOf(error, program, args) : error)
    session.out.failure(failure, session.verbose && error instanceof Error ? error.stack : undefined)
    return failure.exitCode
  } finally {
    session.close()
  }
}

function newProgram(surroundings: Surroundings): Command {
  const program = new Command('aldebaran')
    .description('Stream and task processing for TypeScript, exactly once.')
    .version(versionOf(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .option('--url <url>', 'where the process to ask listens (or ALDEBARAN_URL; default: http://127.0.0.1:8000)')
    .option('--token <token>', 'what it asks for as a bearer token (or ALDEBARAN_TOKEN)')
    .option('--json', 'print JSON, one value a line, also on a terminal')
    .option('--verbose', 'print the stack of an error')
    .addHelpText('after', '\nHelp for one command: aldebaran help COMMAND')
  inherit(program, surroundings)
  return program
}

/** A command that is not called has a name and a line of help, and its module is not loaded. */
async function commandOf(entry: CommandEntry, called: CommandEntry | undefined, session: Session): Promise<Command> {
  const command = new Command(entry.name).description(entry.summary).helpOption('-h, --help', 'print this help')
  inherit(command, session.surroundings)
  if (entry === called) {
    const { define } = await entry.load()
    define(command, session)
    for (const nested of command.commands) inherit(nested, session.surroundings)
  }
  return command
}

/** Errors are thrown and told in one place; help goes where output goes. */
function inherit(command: Command, { stdout }: Surroundings): void {
  command.exitOverride().configureOutput({
    writeOut: text => void stdout.write(text),
    writeErr: text => void stdout.write(text),
    outputError: () => {},
  })
  command.showSuggestionAfterError()
}

/** Where the first argument is that is neither an option nor the value of one. */
function operandAt(args: readonly string[], from = 0): number {
  let at = from
  while (at < args.length && args[at]!.startsWith('-')) at += VALUED.includes(args[at]!) ? 2 : 1
  return at
}

/** A command with a default takes a misspelled one for an argument of that. */
function usageOf({ code, message }: CommanderError, program: Command, args: readonly string[]): UsageError {
  const at = operandAt(args)
  const called = program.commands.find(command => command.name() === args[at])
  const word = args[operandAt(args, at + 1)]
  const nested = called?.commands.map(command => command.name()) ?? []
  if (code !== 'commander.excessArguments' || word === undefined || nested.length === 0 || nested.includes(word)) {
    return new UsageError(message)
  }
  return new UsageError(`unknown command '${word}': ${called!.name()} has ${nested.join(', ')}`)
}

function passedThrough(args: readonly string[], at: number): string[] {
  return [...args.slice(0, at + 1), '--', ...args.slice(at + 1)]
}

function versionOf(): string {
  return (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version
}
