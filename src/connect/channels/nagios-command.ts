/**
 * Passive check results by the external command file of Nagios: a pipe, to which one write of at most PIPE_BUF bytes goes as
 * a whole or not at all.
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { DeliveryError } from '../../delivery/delivery-error.ts'
import { messageOf } from '../../errors.ts'
import { clipBytes } from './channel.ts'
import type { CheckResult } from './nsca.ts'

/** POSIX promises 512, Linux has 4096. */
const PIPE_BUF = process.platform === 'linux' ? 4096 : 512

/** `time`: ms since 1970. The output is cut so that the line fits. */
export function commandLine({ host, service, state, output }: CheckResult, time: number): string {
  const check = service === '' ? `PROCESS_HOST_CHECK_RESULT;${host}` : `PROCESS_SERVICE_CHECK_RESULT;${host};${service}`
  const head = `[${Math.floor(time / 1000)}] ${check};${state};`
  const room = PIPE_BUF - Buffer.byteLength(head) - 1
  return `${head}${escaped(clipBytes(output, room, text => Buffer.byteLength(escaped(text))))}\n`
}

/**
 * Nagios makes line breaks of `\n`. A semicolon separates fields for some that read along, and what follows a bar is
 * performance data.
 */
function escaped(output: string): string {
  return output
    .replaceAll('\\', '\\\\')
    .replace(/\r\n?|\n/g, '\\n')
    .replace(/\p{Cc}/gu, ' ')
    .replaceAll(';', ',')
    .replaceAll('|', '/')
}

/** @throws DeliveryError */
export async function writeCommand(file: string, line: string): Promise<void> {
  const bytes = Buffer.from(line)
  // Never created: without Nagios nobody would read it. Never waited for: a pipe without a reader is refused (ENXIO).
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK
  const handle = await open(file, flags).catch((error: unknown) => {
    throw new DeliveryError('retry', `the command file cannot be written to: ${codeOf(error)}`)
  })
  try {
    const stats = await handle.stat()
    if (!stats.isFIFO() && !stats.isFile()) throw new DeliveryError('retry', 'the command file is no pipe and no file')
    const { bytesWritten } = await handle.write(bytes).catch((error: unknown) => {
      // EAGAIN: the pipe is full; EPIPE: its reader has just gone. Neither has taken a byte.
      const code = codeOf(error)
      throw new DeliveryError(code === 'EAGAIN' ? 'throttle' : 'retry', `Nagios did not take the command: ${code}`)
    })
    if (bytesWritten !== bytes.length) throw new DeliveryError('unknown', 'a part of the command was written')
  } finally {
    await handle.close()
  }
}

function codeOf(error: unknown): string {
  const { code } = Object(error) as { code?: unknown }
  return typeof code === 'string' ? code : messageOf(error)
}
