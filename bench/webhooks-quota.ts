/**
 * Gives a process a share of one core: by a control group where this user may make one, else by stopping it (SIGSTOP)
 * whenever it has used its share.
 *
 * 1. Either way it may use `share` × 100 ms of CPU time in each 100 ms, all its threads together; nothing is saved up.
 * 2. A control group lies below the one that the process is in, so that it takes nothing away from other limits.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { hold } from '../test/servers/leash.ts'
import { usageOf } from './webhooks-usage.ts'

export interface Quota {
  /** 'cgroup v2', 'cgroup v1' or 'SIGSTOP'. */
  readonly by: string
  /** The process has ended, or may use what it likes again. */
  end(): Promise<void>
}

const PERIOD_MS = 100
const PERIOD_US = PERIOD_MS * 1000
const ROOT = '/sys/fs/cgroup'
const PROCESSES = 'cgroup.procs'
const STEP_MS = 2
const TRIES = 50

/** @param by 'auto', or 'stop' although there are control groups */
export function limitCpu(pid: number, share: number, by: string): Quota {
  for (const version of by === 'stop' ? [] : (['v2', 'v1'] as const)) {
    const folder = groupOf(pid, version)
    if (folder === null) continue
    const rmdir = `for i in $(seq ${TRIES}); do rmdir '${folder}' && break; sleep 0.1; done`
    const release = hold({ command: ['sh', '-c', rmdir] })
    try {
      mkdirSync(folder)
      if (version === 'v2') set(folder, 'cpu.max', `${share * PERIOD_US} ${PERIOD_US}`)
      else {
        set(folder, 'cpu.cfs_period_us', String(PERIOD_US))
        set(folder, 'cpu.cfs_quota_us', String(share * PERIOD_US))
      }
      set(folder, PROCESSES, String(pid))
      return { by: `cgroup ${version}`, end: async () => await removeGroup(folder, release) }
    } catch {
      // It may not be made, or the group has no controller of CPU time: the next way.
      if (existsSync(folder)) rmdirSync(folder)
      release()
    }
  }
  return new StoppingQuota(pid, share)
}

/** What the kernel does not have is not made. */
function set(folder: string, name: string, value: string): void {
  writeFileSync(join(folder, name), value, { flag: 'r+' })
}

/** Below the group that the process is in; null: there are none of that version. */
function groupOf(pid: number, version: 'v1' | 'v2'): string | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
  } catch {
    return null
  }
  const own = groupIn(text, version)
  if (own === null) return null
  const parent = join(ROOT, version === 'v1' ? 'cpu' : '', own)
  // Where the other version is mounted, this is a plain folder.
  return existsSync(join(parent, PROCESSES)) ? join(parent, `aldebaran-bench-${pid}`) : null
}

/** The path of the group of CPU time in `/proc/PID/cgroup`. */
export function groupIn(text: string, version: 'v1' | 'v2'): string | null {
  for (const line of text.split('\n')) {
    const [, id, controllers = '', path] = /^(\d+):([^:]*):(.+)$/.exec(line) ?? []
    if (path === undefined) continue
    if (version === 'v2' ? id === '0' && controllers === '' : controllers.split(',').includes('cpu')) return path
  }
  return null
}

async function removeGroup(folder: string, release: () => void): Promise<void> {
  for (let left = TRIES; existsSync(folder) && left > 0; left--) {
    try {
      // What is still in it goes back to where it came from.
      const pids = readFileSync(join(folder, PROCESSES), 'utf8').trim()
      for (const pid of pids === '' ? [] : pids.split('\n')) set(join(folder, '..'), PROCESSES, pid)
      rmdirSync(folder)
    } catch {
      // A process that has just ended is in it for a moment.
      await setTimeout(PERIOD_MS)
    }
  }
  release()
}

/** The kernel tells CPU time in steps of 10 ms: a period that used too much is paid for by those after it. */
class StoppingQuota implements Quota {
  readonly by = 'SIGSTOP'
  readonly #pid: number
  readonly #share: number
  readonly #done: Promise<void>
  #isOn = true

  constructor(pid: number, share: number) {
    this.#pid = pid
    this.#share = share
    this.#done = this.#watch()
  }

  async end(): Promise<void> {
    this.#isOn = false
    await this.#done
  }

  async #watch(): Promise<void> {
    let isStopped = false
    try {
      let [credit, before, at] = [0, usageOf(this.#pid).cpuSeconds, performance.now()]
      while (this.#isOn) {
        const [used, now] = [usageOf(this.#pid).cpuSeconds, performance.now()]
        const most = PERIOD_MS * this.#share
        credit = Math.min(most, credit + (now - at) * this.#share - (used - before) * 1000)
        before = used
        at = now
        if (isStopped !== credit <= 0) {
          isStopped = credit <= 0
          process.kill(this.#pid, isStopped ? 'SIGSTOP' : 'SIGCONT')
        }
        await setTimeout(STEP_MS)
      }
      if (isStopped) process.kill(this.#pid, 'SIGCONT')
    } catch (error) {
      // It has ended.
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ESRCH' && code !== 'ENOENT') throw error
    }
  }
}
