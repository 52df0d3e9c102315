/** Questions of a node to the one that is to have its task: follow it, and say how far you are. */
import { isCount, isRecord, isText } from './peer-info.ts'
import type { PeerMesh } from './peer-mesh.ts'

/** A node that does not answer within this is asked again, ms. */
const ASK_MS = 500

export interface WarmAnswer {
  /** Records; null: it has not begun yet. */
  readonly lag: number | null
}

/** @throws AldebaranError BUSY: it cannot be asked now */
export async function askWarm(
  mesh: Pick<PeerMesh, 'ask'>,
  node: string,
  group: string,
  memberId: string,
  task: string,
): Promise<number | null> {
  const answer = await mesh.ask(node, { warm: { group, memberId, task } }, ASK_MS)
  return isRecord(answer) && isCount(answer.lag) ? answer.lag : null
}

/** For the `answer` of a mesh: null when that is no such question. */
export function answerWarm(
  question: unknown,
  warm: (group: string, memberId: string, task: string) => number | null,
): WarmAnswer | null {
  const asked = isRecord(question) ? question.warm : null
  if (!isRecord(asked)) return null
  const { group, memberId, task } = asked
  if (!isText(group) || !isText(memberId) || !isText(task)) return null
  return { lag: warm(group, memberId, task) }
}
