/** Stores of a stopped auditor, and how tests damage them. */

import { openLog, storeFile } from '../../src/log/host.ts'
import { batchKey, topicKey } from '../../src/log/keys.ts'
import { LmdbStore } from '../../src/log/lmdb-store.ts'
import { prepare } from '../../src/runtime/prepare.ts'
import { app, appendOrders } from './auditor.ts'

/** The store of a closed log, to be spoilt. */
export async function inStore(folder: string, work: (store: LmdbStore) => void): Promise<void> {
  const store = new LmdbStore({ file: storeFile(folder), durability: 'process', mapBytes: 1 << 20 })
  store.exclusive(() => work(store))
  await store.close()
}

export function spoilBatch(store: LmdbStore, topicName: string, partition: number, offset: number): void {
  const { firstId } = JSON.parse(String(store.current(topicKey(topicName)))) as { firstId: number }
  const key = batchKey(firstId + partition, offset)
  const value = store.current(key)!
  const copy = Buffer.from(value.subarray(0, value.length))
  copy[copy.length - 3]! ^= 0x10
  store.write(key, copy)
}

/** Topics and partitions without an auditor: records wait in them. */
export async function fillClosed(folder: string, ids: readonly string[]): Promise<void> {
  const host = await openLog({ path: folder, durability: 'process', maxBytes: 256 << 20 })
  try {
    const log = host.client()
    await prepare(app, log)
    await appendOrders(log, ids)
  } finally {
    await host.close()
  }
}
