import { AldebaranError, messageOf } from '../errors.ts'

/** An error as it is told to the user. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly remedy: string
  readonly details: Readonly<Record<string, unknown>>
  readonly exitCode: number
}

/** The command line does not say what it must. */
export class UsageError extends Error {}

/** Ctrl-C came before the end. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted before the end')
  }
}

/** An error that the process asked answered with. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly remedy: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(status: number, code: string, message: string, remedy: string, details: Record<string, unknown> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.remedy = remedy
    this.details = details
  }
}

/** Errors of the system that a user can meet, with what to do. */
const SYSTEM: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Something listens there already: stop it, or choose another port with --port.',
  EADDRNOTAVAIL: 'This machine does not have that address: correct --host.',
  EACCES: 'Give this user the right to it, or choose another place.',
  EPERM: 'Give this user the right to it, or choose another place.',
  ENOENT: 'Correct the path.',
  EISDIR: 'Name a file, not a folder.',
  ENOSPC: 'The disk is full: free space.',
  EROFS: 'The disk is read-only: choose another place.',
  EMFILE: 'Too many files are open: raise the limit (ulimit -n).',
  Z_DATA_ERROR: 'It is damaged, or not packed with gzip as its name says: fetch it again, or rename it.',
  Z_BUF_ERROR: 'A part of it is missing: fetch it again.',
  ERR_MODULE_NOT_FOUND: 'Correct the path, or install what the module imports.',
}

export function describeFailure(error: unknown): Failure {
  if (error instanceof UsageError) {
    const message = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')
    return {
      code: 'USAGE',
      message,
      remedy: 'See aldebaran --help, or aldebaran COMMAND --help.',
      details: {},
      exitCode: 2,
    }
  }
  if (error instanceof ApiError || error instanceof AldebaranError) {
    const { code, message, remedy, details } = error
    return { code, message, remedy, details, exitCode: 1 }
  }
  if (error instanceof Interrupted) {
    const remedy = 'What was answered before is done; the rest is not.'
    return { code: 'INTERRUPTED', message: error.message, remedy, details: {}, exitCode: 130 }
  }
  const code = codeOf(error)
  const remedy = SYSTEM[code] ?? 'Run it again with --verbose for the stack, and report it if it is ours.'
  return { code, message: messageOf(error).split('\n')[0] ?? '', remedy, details: {}, exitCode: 1 }
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : 'UNEXPECTED'
}
