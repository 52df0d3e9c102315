/** What `aldebaran doctor` looks at on this machine. Each check tells what it found, and what to do if that is bad. */
import { statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import { freemem, totalmem } from 'node:os'
import { AldebaranError, messageOf } from '../errors.ts'
import type { Api } from './api.ts'
import { sizeText } from './show-values.ts'

export interface Finding {
  check: string
  ok: boolean
  found: string
  /** Only of a problem. */
  remedy?: string
}

/** What a check that failed by an error advises. */
export function remedyOf(error: unknown): string {
  return error instanceof AldebaranError ? error.remedy : 'Look at the log of the brokers.'
}

const NATIVE_MODULES = ['lmdb', '@node-rs/crc32', 'snappy', 'lz4-napi'] as const
const LEAST_NODE = [22, 15] as const
const LEAST_MEMORY = 512 * 1024 ** 2
const LEAST_DISK = 1024 ** 3
/** Before this, the clock was never set. */
const EARLIEST_MS = Date.UTC(2024, 0, 1)
const LARGEST_SKEW_MS = 2000

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const ok = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1])
  const check = 'Node'
  return ok
    ? { check, ok, found: version }
    : { check, ok, found: version, remedy: `Install Node ${LEAST_NODE.join('.')} or newer: https://nodejs.org` }
}

export async function checkNativeModules(): Promise<Finding> {
  const check = 'native modules'
  const missing: string[] = []
  for (const name of NATIVE_MODULES) {
    await import(name).catch((error: unknown) => missing.push(`${name} (${messageOf(error).split('\n')[0]})`))
  }
  if (missing.length === 0) return { check, ok: true, found: NATIVE_MODULES.join(', ') }
  const remedy = 'Install again on this machine, with its Node: npm ci. Optional dependencies must not be left out.'
  return { check, ok: false, found: `not loaded: ${missing.join('; ')}`, remedy }
}

export function checkMemory(): Finding {
  const check = 'memory'
  const limit = process.constrainedMemory()
  // Without a limit it is 0, or more than the machine has.
  const total = limit > 0 && limit < totalmem() ? limit : totalmem()
  const free = Math.min(freemem(), process.availableMemory())
  const found = `${sizeText(free)} free of ${sizeText(total)}`
  if (free >= LEAST_MEMORY) return { check, ok: true, found }
  return { check, ok: false, found, remedy: 'Free memory, or give --memory a smaller budget.' }
}

/** @param folder one that exists */
export function checkDisk(folder: string): Finding {
  const check = 'disk'
  const { bavail, bsize, blocks } = statfsSync(folder)
  const found = `${sizeText(bavail * bsize)} free of ${sizeText(blocks * bsize)}`
  if (bavail * bsize >= LEAST_DISK) return { check, ok: true, found }
  return { check, ok: false, found, remedy: 'Free space: the log grows until its retention.' }
}

/** The clock by itself, and against that of the process that is asked, if one answers. */
export function checkClock(now: number, serverNow: number | null): Finding {
  const check = 'clock'
  const found = new Date(now).toISOString()
  if (now < EARLIEST_MS) {
    return { check, ok: false, found, remedy: 'Set the clock, and keep it with NTP: timers and retention go by it.' }
  }
  const skew = serverNow === null ? 0 : Math.abs(now - serverNow)
  if (skew <= LARGEST_SKEW_MS) return { check, ok: true, found }
  const remedy = 'Keep the clocks of both machines with NTP.'
  return { check, ok: false, found: `${found}, ${skew} ms from that of the process asked`, remedy }
}

/** A port is well when one of ours answers there, or nobody listens. */
export async function checkPort(api: Api): Promise<{ finding: Finding; serverNow: number | null }> {
  const { hostname, port } = new URL(api.url)
  const check = `port ${port || '80'}`
  const health = await api
    .get<{ status: string; problems: { message: string }[] }>('/health')
    .catch((error: unknown) => error)
  if (typeof health === 'object' && health !== null && 'status' in health && 'problems' in health) {
    const { status, problems } = health as { status: string; problems: { message: string }[] }
    const stats = await api.get<{ time: number }>('/stats').catch(() => null)
    const serverNow = stats?.time ?? null
    if (status === 'ok') return { finding: { check, ok: true, found: `Aldebaran runs at ${api.url}` }, serverNow }
    const found = `Aldebaran at ${api.url} is failing: ${problems.map(problem => problem.message).join('; ')}`
    return { finding: { check, ok: false, found, remedy: 'See its log; it tries again by itself.' }, serverNow }
  }
  const isFree = await canListen(hostname.replace(/^\[|\]$/g, ''), Number(port || 80))
  const finding: Finding = isFree
    ? { check, ok: true, found: 'free' }
    : { check, ok: false, found: messageOf(health), remedy: 'Stop what listens there, or use another port: --port.' }
  return { finding, serverNow: null }
}

async function canListen(host: string, port: number): Promise<boolean> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<boolean>()
  server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRNOTAVAIL'))
  server.listen(port, host, () => server.close(() => resolve(true)))
  return await promise
}
