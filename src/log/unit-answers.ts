/** Outcomes of units as they lie in the slots of a mailbox: status and count, then offsets, or an error as JSON. */
import { AldebaranError, messageOf } from '../errors.ts'
import { SLOT_HEADER } from './mailbox.ts'

// So that an error fits into the smallest slot, whatever its characters are.
const LONGEST_MESSAGE = 400
const LONGEST_DETAILS = 400

export function writeOffsets(arena: Buffer, slot: number, offsets: readonly number[]): void {
  writeHead(arena, slot, 0, offsets.length)
  for (let i = 0; i < offsets.length; i++) arena.writeDoubleLE(offsets[i]!, slot + SLOT_HEADER + i * 8)
}

export function writeError(arena: Buffer, slot: number, error: unknown): void {
  const known = error instanceof AldebaranError
  const short = known && JSON.stringify(error.details).length < LONGEST_DETAILS
  const bytes = Buffer.from(
    JSON.stringify({
      code: known ? error.code : 'LOG_STOPPED',
      message: messageOf(error).slice(0, LONGEST_MESSAGE),
      details: short ? error.details : {},
    }),
  )
  writeHead(arena, slot, 1, bytes.length)
  arena.set(bytes, slot + SLOT_HEADER)
}

function writeHead(arena: Buffer, slot: number, status: number, count: number): void {
  arena.writeInt32LE(status, slot)
  arena.writeInt32LE(count, slot + 4)
}
