import { AldebaranError } from '../../errors.ts'
import { sameEncoding } from '../outlet.ts'
import type { StreamEnd } from '../stream-owner.ts'

/** @throws AldebaranError PIPELINE_INVALID, KEYS_DIFFER */
export function requireJoinable(
  left: Pick<StreamEnd, 'owner' | 'key'>,
  right: Pick<StreamEnd, 'owner' | 'key'>,
  what: string,
): void {
  const pipeline = left.owner.name
  if (left.owner !== right.owner) {
    throw new AldebaranError(
      'PIPELINE_INVALID',
      `${what}, but one is of pipeline '${pipeline}' and the other of '${right.owner.name}'`,
      { pipeline },
    )
  }
  if (sameEncoding(left.key, right.key)) return
  throw new AldebaranError(
    'KEYS_DIFFER',
    `pipeline '${pipeline}': ${what}, but one is keyed by ${left.key.format} and the other by ${right.key.format}`,
    { pipeline },
  )
}
