/** What members of a classic group tell each other through the broker, which does not look into it. */

import { WireReader, WireWriter } from '../wire/bytes.ts'
import type { Endpoint } from '../wire/connection.ts'
import { array, int16, int32, int64, nullable, string, struct, type ValueOf, type WireType } from '../wire/types.ts'
import { byPart, fromParts, type GroupPeer, type MemberTasks } from './member.ts'

/** The name of the protocol; members with another one do not get into the group. */
export const PROTOCOL = 'aldebaran-sticky-1'
export const PROTOCOL_TYPE = 'aldebaran'

const tasks = array(struct({ subtopologyId: string, partitions: array(int32) }))
const endpoint = struct({ host: string, port: int32 })

const subscription = struct({
  process: string,
  endpoint: nullable(endpoint),
  generation: int32,
  claims: tasks,
  standbys: array(struct({ task: string, lag: int64 })),
})

const assignment = struct({
  /** 0: nothing is known to be wrong. */
  reserved: int16,
  active: tasks,
  standby: tasks,
  peers: array(struct({ endpoint, active: tasks, standby: tasks })),
})

export interface Subscription extends Omit<ValueOf<typeof subscription>, 'claims' | 'endpoint'> {
  readonly claims: readonly string[]
  readonly endpoint: Endpoint | null
}

export interface ClassicAssignment {
  readonly tasks: MemberTasks
  readonly peers: readonly GroupPeer[]
}

function encode<V>(type: WireType<V>, value: V): Uint8Array {
  const writer = new WireWriter()
  type.write(writer, value)
  return writer.bytes.subarray(0, writer.at)
}

function decode<V>(type: WireType<V>, bytes: Uint8Array): V {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return type.read(new WireReader(buffer, 0, buffer.length))
}

export function encodeSubscription({ claims, ...rest }: Subscription): Uint8Array {
  return encode(subscription, { ...rest, claims: byPart(claims) })
}

export function decodeSubscription(bytes: Uint8Array): Subscription {
  const { claims, ...rest } = decode(subscription, bytes)
  return { ...rest, claims: fromParts(claims) }
}

export function encodeAssignment({ tasks: { active, standby }, peers }: ClassicAssignment): Uint8Array {
  return encode(assignment, {
    reserved: 0,
    active: byPart(active),
    standby: byPart(standby),
    peers: peers.map(peer => ({
      endpoint: peer.endpoint,
      active: byPart(peer.active),
      standby: byPart(peer.standby),
    })),
  })
}

export function decodeAssignment(bytes: Uint8Array): ClassicAssignment {
  if (bytes.length === 0) return { tasks: { active: [], standby: [], warmup: [] }, peers: [] }
  const { active, standby, peers } = decode(assignment, bytes)
  return {
    tasks: { active: fromParts(active), standby: fromParts(standby), warmup: [] },
    peers: peers.map(peer => ({
      endpoint: peer.endpoint,
      active: fromParts(peer.active),
      standby: fromParts(peer.standby),
    })),
  }
}
