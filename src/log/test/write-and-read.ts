/** A thread of the threads test: writes its own partition and reads all of them, without its event loop. */
import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'
import { batchOf, readAll } from '../../../test/contract/log-data.ts'
import { connectLog, type LogAddress } from '../client.ts'

interface Data {
  address: LogAddress
  number: number
  threads: number
  units: number
}

const { address, number, threads, units } = workerData as Data
const log = connectLog(address)
const readers = Array.from({ length: threads }, (_, partition) => log.reader('t', partition, 'earliest'))
const seen: string[][] = readers.map(() => [])
let submitted = 0
let answered = 0
const busy = (): boolean => answered < units || seen.some(texts => texts.length < units)
while (busy()) {
  while (submitted < units && submitted - answered < 8) {
    const batch = batchOf([`${number}.${submitted}`])
    const expected = submitted++
    log.submit({ appends: [{ topic: 't', partition: number, batch }] }, (error, result) => {
      assert.equal(error, null)
      assert.deepEqual(result?.offsets, [expected])
      answered++
    })
  }
  log.pump()
  readers.forEach((reader, partition) => {
    for (const line of readAll(reader, 4096)) seen[partition]!.push(line.slice(line.indexOf(':') + 1))
  })
  // A wake that gets lost would show as a test that never ends.
  if (busy() && (submitted === units || submitted - answered === 8)) log.wait(3_600_000)
}
await log.close()
parentPort!.postMessage(seen)
