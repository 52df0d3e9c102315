/** The settings of a delivery as numbers, checked once. */
import { AldebaranError } from '../errors.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import { parseDuration, parseSize } from '../pipeline/units.ts'
import { type BreakerLimits, compileBreaker } from './breaker.ts'
import type { Attempt, DeliveryGuarantee, DeliverySettings, Limits, Route, RouteContext } from './contract.ts'
import { compileRetry, type RetrySchedule, requireRange } from './retry.ts'
import { compileRate, type RateLimit } from './token-bucket.ts'

export interface LimitNumbers {
  readonly rate: RateLimit | null
  readonly concurrency: number
}

export interface CompiledDelivery {
  readonly name: string
  readonly source: AnyTopic
  readonly route: ((value: unknown, context: RouteContext<AnyTopic>) => Routed) | null
  readonly send: (value: unknown, attempt: Attempt) => unknown
  readonly close: (() => unknown) | null
  readonly guarantee: DeliveryGuarantee
  readonly retry: RetrySchedule
  readonly timeout: number
  readonly total: LimitNumbers
  readonly tenant: LimitNumbers
  readonly destinationLimits: (name: string) => LimitNumbers
  readonly breaker: BreakerLimits | null
  /** ms; 0: nothing is passed over. */
  readonly deduplicate: number
  readonly memory: number
  /** ms; Infinity: never. */
  readonly disableAfter: number
  readonly reads: readonly AnyTopic[]
  readonly counters: readonly string[]
  readonly attempts: AnyTopic | null
  readonly notices: AnyTopic | null
}

export type Routed = string | Route | readonly Route[] | undefined

const COUNTER = /^[a-z][a-z0-9_]{0,63}$/
const DEFAULT_TOTAL = 1024
const DEFAULT_DESTINATION = 64

/** @throws AldebaranError OPTION_INVALID */
export function compileDelivery<T extends AnyTopic>(name: string, settings: DeliverySettings<T>): CompiledDelivery {
  const { limits = {}, guarantee = 'at-least-once' } = settings
  const at = `delivery '${name}'`
  if (guarantee !== 'at-least-once' && guarantee !== 'at-most-once') {
    throw new AldebaranError('OPTION_INVALID', `${at}: guarantee cannot be '${guarantee}'`, { option: 'guarantee' })
  }
  const timeout = parseDuration(settings.timeout ?? '30s', `${at}: timeout`)
  requireRange(`${at}: timeout`, timeout, 1, 86_400_000)
  return {
    name,
    source: settings.from,
    route: (settings.route as CompiledDelivery['route']) ?? null,
    send: settings.send as CompiledDelivery['send'],
    close: settings.close ?? null,
    guarantee,
    retry: compileRetry(settings.retry ?? {}, `${at}: retry`),
    timeout,
    total: compileLimits(limits.total, `${at}: limits.total`, DEFAULT_TOTAL),
    tenant: compileLimits(limits.tenant, `${at}: limits.tenant`, Number.POSITIVE_INFINITY),
    destinationLimits: destinationLimits(limits.destination, `${at}: limits.destination`),
    breaker: settings.breaker === false ? null : compileBreaker(settings.breaker ?? {}, `${at}: breaker`),
    deduplicate: parseDuration(settings.deduplicate ?? 0, `${at}: deduplicate`),
    disableAfter:
      settings.disableAfter === undefined
        ? Number.POSITIVE_INFINITY
        : parseDuration(settings.disableAfter, `${at}: disableAfter`),
    reads: readsOf(name, settings),
    counters: countersOf(at, settings.counters ?? []),
    attempts: settings.attempts ?? null,
    notices: settings.notices ?? null,
    memory: parseSize(settings.memory ?? '16MB', `${at}: memory`),
  }
}

function readsOf<T extends AnyTopic>(name: string, { from, reads = [] }: DeliverySettings<T>): readonly AnyTopic[] {
  for (const topic of reads) {
    if (topic.options.partitions === from.options.partitions && topic.name !== from.name) continue
    const text = `delivery '${name}' reads '${topic.name}', which needs to be another topic with as many partitions as '${from.name}'`
    throw new AldebaranError('PARTITIONS_DIFFER', text, { topic: topic.name })
  }
  return reads
}

function countersOf(at: string, counters: readonly string[]): readonly string[] {
  const wrong = counters.find((name, i) => !COUNTER.test(name) || counters.indexOf(name) !== i)
  if (wrong === undefined) return counters
  throw new AldebaranError('OPTION_INVALID', `${at}: counters: '${wrong}' is no name, or is there twice`, {
    option: 'counters',
  })
}

function destinationLimits(
  limits: Limits | ((destination: string) => Limits) | undefined,
  option: string,
): (name: string) => LimitNumbers {
  if (typeof limits === 'function') return name => compileLimits(limits(name), option, DEFAULT_DESTINATION)
  const compiled = compileLimits(limits, option, DEFAULT_DESTINATION)
  return () => compiled
}

function compileLimits(limits: Limits | undefined, option: string, concurrency: number): LimitNumbers {
  const most = limits?.concurrency ?? concurrency
  requireRange(`${option}.concurrency`, most, 1, Number.POSITIVE_INFINITY)
  return {
    rate: limits?.rate === undefined ? null : compileRate(limits.rate, `${option}.rate`),
    concurrency: most,
  }
}
