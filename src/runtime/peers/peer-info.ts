/** What nodes tell each other of themselves, and what a node knows of the others. */

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** A node as it tells of itself: enough to bury it, and to send users to it. */
export interface PeerInfo {
  /** Unique for each start of a process: its name and its incarnation. */
  readonly node: string
  readonly members: readonly { readonly group: string; readonly memberId: string }[]
  readonly transactionalIds: readonly string[]
  /** Where its API listens; null: nowhere. */
  readonly api: string | null
  /** Ms since 1970. */
  readonly startedAt: number
}

/** `gone`: it said goodbye. Drawn in peer-watch.ts. */
export type PeerState = 'connecting' | 'alive' | 'suspect' | 'dead' | 'gone'

/** A peer for display. */
export interface PeerView {
  /** Null: it was never reached. */
  readonly node: string | null
  readonly endpoint: Endpoint
  readonly state: PeerState
  /** Since anything came from it, ms; null: nothing ever did. */
  readonly heardMsAgo: number | null
  /** Of the last ping, ms. */
  readonly roundTripMs: number | null
  readonly info: PeerInfo | null
  /** Why it is not alive. */
  readonly problem: string | null
}

export function nameOfEndpoint({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export function parseEndpoint(value: unknown): Endpoint | null {
  if (!isRecord(value)) return null
  const { host, port } = value
  return isText(host) && isCount(port) && port <= 65_535 ? { host, port } : null
}

/** Null: that is none. */
export function parsePeerInfo(value: unknown): PeerInfo | null {
  if (!isRecord(value)) return null
  const { node, members, transactionalIds, api, startedAt } = value
  if (!isText(node) || node === '' || !Array.isArray(members) || !Array.isArray(transactionalIds)) return null
  if (!transactionalIds.every(isText) || !(api === null || isText(api)) || !isCount(startedAt)) return null
  const parsed: { group: string; memberId: string }[] = []
  for (const member of members as unknown[]) {
    if (!isRecord(member) || !isText(member.group) || !isText(member.memberId)) return null
    parsed.push({ group: member.group, memberId: member.memberId })
  }
  return { node, members: parsed, transactionalIds, api, startedAt }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

/** A whole number from 0. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
