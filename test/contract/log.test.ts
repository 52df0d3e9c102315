import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLog } from '../../src/log/host.ts'
import { inlineLog } from '../../src/log/inline.ts'
import type { KeyValueStore } from '../../src/log/key-value.ts'
import { LmdbStore } from '../../src/log/lmdb-store.ts'
import { SimulatedStore } from '../../src/testing/simulated-store.ts'
import { systemClock } from '../../src/time/clock.ts'
import { describeLog } from './log-contract.ts'
import type { LogSession } from './log-session.ts'

function folder(): string {
  return mkdtempSync(join(tmpdir(), 'aldebaran-log-'))
}

function inlineSession(open: () => KeyValueStore, remove: () => void): LogSession {
  const log = inlineLog(open(), { clock: systemClock, durability: 'process' })
  return {
    client: () => log.client(),
    maintain: () => void log.maintain(),
    reopen: async () => {
      await log.close()
      return inlineSession(open, remove)
    },
    end: async () => {
      await log.close()
      remove()
    },
  }
}

async function threadedSession(path: string, durability: 'process' | 'disk'): Promise<LogSession> {
  const host = await openLog({ path, durability, maxBytes: 256 * 1024 * 1024 })
  let next: LogSession | null = null
  return {
    client: () => host.client(),
    reopen: async () => {
      await host.close()
      next = await threadedSession(path, durability)
      return next
    },
    end: async () => {
      await host.close()
      await next?.end()
      rmSync(path, { recursive: true, force: true })
    },
  }
}

describeLog({
  name: 'inline over the simulated store',
  open: async () => {
    const store = new SimulatedStore()
    return inlineSession(
      () => store,
      () => {},
    )
  },
})

describeLog({
  name: 'inline over LMDB',
  open: async () => {
    const path = folder()
    const open = (): KeyValueStore =>
      new LmdbStore({ file: join(path, 'store.mdb'), durability: 'process', mapBytes: 256 * 1024 * 1024 })
    return inlineSession(open, () => rmSync(path, { recursive: true, force: true }))
  },
})

describeLog({ name: 'log thread, durability process', open: () => threadedSession(folder(), 'process') })
describeLog({ name: 'log thread, durability disk', open: () => threadedSession(folder(), 'disk') })
