import { ring } from '../../../src/log/bell.ts'
import { type LogAddress, wakeClient } from '../../../src/log/client.ts'
import { CONTROL_BELL } from '../../../src/log/ends.ts'
import { SLOT_HEADER, SUBMITTED } from '../../../src/log/mailbox.ts'
import { DELETE_TOPIC } from '../../../src/log/unit-sender.ts'

/** Sends a request that no client makes: the log thread ends, for it cannot go on with what it does not understand. */
export function breakLog(address: LogAddress): void {
  if (address.kind !== 'embedded') throw new Error('only an embedded log can be broken so')
  const arena = Buffer.from(address.mailbox.arena, 0, 64)
  arena.writeInt32LE(DELETE_TOPIC, 0)
  arena.writeInt32LE(4, 8)
  arena.write('{no}', SLOT_HEADER)
  Atomics.store(new Int32Array(address.mailbox.words), SUBMITTED, 1)
  ring(new Int32Array(address.ends.control), CONTROL_BELL)
  wakeClient(address)
}
