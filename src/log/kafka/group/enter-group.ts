import { AldebaranError } from '../../../errors.ts'
import { STREAMS_GROUP_HEARTBEAT_KEY } from '../wire/group-messages.ts'
import { ClassicMember } from './classic-member.ts'
import type { GroupMember, MemberSettings } from './member.ts'
import { StreamsMember } from './streams-member.ts'

export type GroupProtocol = 'auto' | 'streams' | 'classic'

/**
 * Becomes a member of a group: by the streams protocol where the brokers have it (4.2 and later), else by the classic
 * one. All nodes of an application must choose the same; `protocol` forces it.
 * @throws AldebaranError KAFKA_REFUSED when the group has members of the other protocol, KAFKA_DENIED, KAFKA_UNSUPPORTED
 */
export async function enterGroup(settings: MemberSettings, protocol: GroupProtocol = 'auto'): Promise<GroupMember> {
  if (protocol !== 'classic' && (await hasStreams(settings))) {
    const member = new StreamsMember(settings)
    try {
      await member.start()
      return member
    } catch (error) {
      // The broker knows the request, and its administrator has switched it off.
      if (protocol === 'streams' || !isUnsupported(error)) throw error
    }
  } else if (protocol === 'streams') {
    throw new AldebaranError('KAFKA_UNSUPPORTED', 'the brokers have no streams groups: they came with Kafka 4.2')
  }
  const member = new ClassicMember(settings)
  await member.start()
  return member
}

async function hasStreams({ cluster }: MemberSettings): Promise<boolean> {
  const connection = await cluster.any()
  return connection.supports(STREAMS_GROUP_HEARTBEAT_KEY, 0)
}

function isUnsupported(error: unknown): boolean {
  return error instanceof AldebaranError && error.details.kafka === 'UNSUPPORTED_VERSION'
}
