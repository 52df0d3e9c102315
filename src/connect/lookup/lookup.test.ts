import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import fc from 'fast-check'
import { VirtualClock } from '../../time/clock.ts'
import { Lookup } from './lookup.ts'
import type { LookupCounters, LookupSettings } from './settings.ts'

/** A source whose answers are given when the test says so. */
class Source {
  readonly calls: { keys: readonly string[]; signal: AbortSignal; resolve: Resolve; reject: (error: Error) => void }[] =
    []
  readonly load = (keys: readonly string[], signal: AbortSignal) => {
    const { promise, resolve, reject } = Promise.withResolvers<ReadonlyMap<string, string | Error>>()
    this.calls.push({ keys, signal, resolve, reject })
    return promise
  }

  /** Answers the newest call. */
  answer(values: Record<string, string | Error>): void {
    this.calls.at(-1)!.resolve(new Map(Object.entries(values)))
  }
}

type Resolve = (values: ReadonlyMap<string, string | Error>) => void

const clock = new VirtualClock()
let source: Source
beforeEach(() => {
  source = new Source()
  mock.timers.enable({ apis: ['setTimeout'] })
})
afterEach(() => mock.timers.reset())

function lookup(settings: Partial<LookupSettings<string, string>> = {}): Lookup<string, string> {
  return new Lookup<string, string>({ load: source.load, clock, ...settings })
}

/** Both the clock and the timers. */
function pass(ms: number): void {
  clock.advance(ms)
  mock.timers.tick(ms)
}

const isFailed = (message: RegExp) => (error: unknown) => {
  const { code, message: text } = error as { code?: string; message: string }
  return code === 'LOOKUP_FAILED' && message.test(text)
}

describe('batches', () => {
  test('what is asked for within the wait goes in one call, each key once', async () => {
    const users = lookup({ wait: '5ms' })
    const answers = [users.get('a'), users.get('b'), users.get('a')]
    pass(4)
    answers.push(users.get('c'))
    assert.equal(source.calls.length, 0)
    pass(1)
    assert.deepEqual(source.calls[0]!.keys, ['a', 'b', 'c'])
    answers.push(users.get('a'))
    source.answer({ a: '1', b: '2', c: '3', d: 'nobody asked' })
    assert.deepEqual(await Promise.all(answers), ['1', '2', '1', '3', '1'])
    assert.equal(source.calls.length, 1)
    assert.equal(users.counters.entries, 3)
  })

  test('a full batch does not wait', () => {
    const users = lookup({ batch: 2 })
    for (const key of ['a', 'b', 'c']) void users.get(key).catch(() => {})
    assert.deepEqual(
      source.calls.map(({ keys }) => keys),
      [['a', 'b']],
    )
    pass(2)
    assert.deepEqual(source.calls[1]!.keys, ['c'])
    users.close()
  })

  test('a value that is being loaded anew goes with the others', async () => {
    const users = lookup({ expireAfter: 100, staleWhile: 100 })
    const first = users.get('a')
    pass(2)
    source.answer({ a: 'old' })
    await first
    pass(150)
    assert.equal(await users.get('a'), 'old')
    const other = users.get('b')
    pass(2)
    assert.deepEqual(source.calls[1]!.keys, ['a', 'b'])
    source.answer({ a: 'new', b: 'b' })
    await other
    assert.equal(await users.get('a'), 'new')
  })
})

describe('failures', () => {
  test('are told to all who wait, and remembered by nobody: who asks again because of one loads anew', async () => {
    const users = lookup()
    const again = users.get('a').catch(() => users.get('a'))
    const other = users.get('b')
    pass(2)
    source.calls[0]!.reject(new Error('no connection'))
    await assert.rejects(other, isFailed(/no connection/))
    await Promise.resolve()
    pass(2)
    source.answer({ a: '1' })
    assert.equal(await again, '1')
    assert.deepEqual([users.counters.failures, users.counters.loads], [2, 2])
  })

  test('of one key is its own', async () => {
    const users = lookup()
    const [a, b] = [users.get('a'), users.get('b')]
    pass(2)
    source.answer({ a: new Error('not for you'), b: '2' })
    await assert.rejects(a, isFailed(/not for you/))
    assert.equal(await b, '2')
    assert.deepEqual([users.counters.entries, users.counters.failures], [1, 1])
  })

  test('an answer that is no Map, a load that throws, a size that cannot be told: refused, and the next call loads', async () => {
    const loads: (() => unknown)[] = [
      () => ['1'],
      () => undefined,
      () => {
        throw new Error('at once')
      },
    ]
    for (const load of loads) {
      const users = lookup({ load: load as never, batch: 1 })
      await assert.rejects(users.get('a'), isFailed(/no Map|at once/))
    }
    const sized = lookup({
      load: async () => new Map([['a', '1']]),
      batch: 1,
      maxBytes: 10,
      sizeOf: () => {
        throw new Error('no size')
      },
    })
    await assert.rejects(sized.get('a'), isFailed(/no size/))
  })

  test('a load that takes too long is aborted; what it brings later is not heard', async () => {
    const users = lookup({ timeout: '1s' })
    const slow = users.get('a')
    pass(2)
    pass(1000)
    await assert.rejects(slow, isFailed(/longer than 1000 ms/))
    const { signal, resolve } = source.calls[0]!
    assert.equal(signal.aborted, true)
    resolve(new Map([['a', 'late']]))
    const next = users.get('a')
    pass(2)
    source.answer({ a: 'new' })
    assert.equal(await next, 'new')
  })

  test('a stale value is given on while its source fails, which is asked once a second', async () => {
    const users = lookup({ expireAfter: 100, staleWhile: '5s' })
    const first = users.get('a')
    pass(2)
    source.answer({ a: '1' })
    await first
    pass(100)
    for (let n = 0; n < 5; n++) assert.equal(await users.get('a'), '1')
    pass(2)
    source.calls[1]!.reject(new Error('down'))
    await new Promise(setImmediate)
    assert.equal(await users.get('a'), '1')
    pass(500)
    assert.equal(await users.get('a'), '1')
    pass(2)
    assert.equal(source.calls.length, 2)
    pass(500)
    assert.equal(await users.get('a'), '1')
    pass(2)
    assert.equal(source.calls.length, 3)
    source.calls[2]!.reject(new Error('down'))
    pass(5000)
    void users.get('a').catch(() => {})
    assert.equal(users.counters.entries, 0)
    users.close()
  })
})

describe('waiting', () => {
  test('who is aborted waits no longer; the load goes on for the others, and is remembered', async () => {
    const users = lookup()
    const controller = new AbortController()
    const [mine, theirs] = [users.get('a', controller.signal), users.get('a', new AbortController().signal)]
    const alone = users.get('b', controller.signal)
    pass(2)
    controller.abort(new Error('enough'))
    await assert.rejects(mine, /enough/)
    await assert.rejects(alone, /enough/)
    await assert.rejects(users.get('c', controller.signal), /enough/)
    assert.equal(source.calls[0]!.signal.aborted, false)
    source.answer({ a: '1', b: '2' })
    assert.equal(await theirs, '1')
    assert.equal(await users.get('b'), '2')
    assert.equal(source.calls.length, 1)
  })

  test('after a close nobody waits, and nothing is loaded', async () => {
    const users = lookup()
    const underWay = users.get('a')
    pass(2)
    const queued = users.get('b')
    users.close()
    for (const one of [underWay, queued, users.get('c')]) await assert.rejects(one, isFailed(/closed/))
    assert.equal(source.calls[0]!.signal.aborted, true)
    pass(100)
    assert.deepEqual([source.calls.length, users.counters.entries], [1, 0])
  })

  test('what is forgotten while it is loaded is loaded again, and the newer value stays', async () => {
    const users = lookup()
    const before = users.get('a')
    pass(2)
    users.forget('a')
    const after = users.get('a')
    pass(2)
    assert.equal(source.calls.length, 2)
    source.calls[1]!.resolve(new Map([['a', 'new']]))
    assert.equal(await after, 'new')
    source.calls[0]!.resolve(new Map([['a', 'old']]))
    assert.equal(await before, 'old')
    assert.equal(await users.get('a'), 'new')
    users.forget('a')
    const again = users.get('a')
    users.forget('a')
    const twice = users.get('a')
    pass(2)
    assert.deepEqual(source.calls[2]!.keys, ['a'])
    source.answer({ a: 'newer' })
    assert.deepEqual(await Promise.all([again, twice]), ['newer', 'newer'])
  })
})

test('a mistake in the settings is named', () => {
  for (const [option, settings] of Object.entries({
    batch: { batch: 0 },
    wait: { wait: 'soon' },
    timeout: { timeout: 0 },
    expireAfter: { expireAfter: '30d' },
    maxEntries: { maxEntries: 1.5 },
    maxBytes: { maxBytes: '1MB' },
  })) {
    assert.throws(() => lookup(settings), { code: 'OPTION_INVALID', details: { option } }, option)
  }
})

describe('whatever is asked for, when', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd')
  const command = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('get' as const), key }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 60 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('write' as const), key, gone: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), key }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('outage' as const), on: fc.boolean() }) },
  )

  test('a value is one that the source had within its time, failures are never kept, and the cache is bounded', async () => {
    const EXPIRE = 50
    const STALE = 30
    const MISSING = 20
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (commands, most) => {
        const time = new VirtualClock()
        /** What was under a key since when. */
        const history = new Map<string, { since: number; value: string | undefined }[]>()
        const forgotten = new Map<string, number>()
        let isOut = false
        let writes = 0
        const now = (): number => time.monotonic()
        const at = (name: string): string | undefined => history.get(name)?.at(-1)?.value
        const table: Lookup<string, string> = new Lookup({
          clock: time,
          batch: 1,
          maxEntries: most,
          maxBytes: 20,
          sizeOf: value => value.length,
          expireAfter: EXPIRE,
          staleWhile: STALE,
          missingExpireAfter: MISSING,
          load: async (keys): Promise<ReadonlyMap<string, string>> => {
            if (isOut) throw new Error('out')
            return new Map(
              keys.flatMap((name): [string, string][] => (at(name) === undefined ? [] : [[name, at(name)!]])),
            )
          },
        })
        for (const [index, step] of commands.entries()) {
          if (step.kind === 'pass') time.advance(step.ms)
          else if (step.kind === 'outage') isOut = step.on
          else if (step.kind === 'write') {
            const value = step.gone ? undefined : `value-${writes++}`
            history.set(step.key, [...(history.get(step.key) ?? []), { since: now(), value }])
          } else if (step.kind === 'forget') {
            table.forget(step.key)
            forgotten.set(step.key, now())
          } else {
            const found: { value: string | undefined } | null = await table.get(step.key).then(
              value => ({ value }),
              () => null,
            )
            if (found === null) assert.equal(isOut, true)
            if (found !== null) {
              const { value } = found
              const oldest = now() - (value === undefined ? MISSING : EXPIRE + STALE)
              const from = Math.max(oldest, forgotten.get(step.key) ?? Number.NEGATIVE_INFINITY)
              const states = history.get(step.key) ?? []
              // The state before the first that began since then held at that time, too.
              const first = states.findLastIndex(({ since }) => since <= from)
              const possible = states.slice(Math.max(0, first)).map(state => state.value)
              if (first === -1) possible.push(undefined)
              assert.equal(possible.includes(value), true)
            }
            // Loads that were begun behind a stale value end before the next step.
            await new Promise(setImmediate)
          }
          const { entries, bytes, hits, misses, stale }: LookupCounters = table.counters
          assert.equal(entries <= most && bytes <= 20 && stale <= hits, true)
          assert.equal(hits + misses, commands.slice(0, index + 1).filter(isGet).length)
        }
        table.close()
      }),
      { numRuns: 300 },
    )
  })
})

function isGet({ kind }: { kind: string }): boolean {
  return kind === 'get'
}

test('what was used the longest ago goes first', async () => {
  const users = lookup({ load: async keys => new Map(keys.map(key => [key, key])), batch: 1, maxEntries: 2 })
  for (const key of ['a', 'b', 'a', 'c']) await users.get(key)
  const { misses } = users.counters
  await users.get('a')
  assert.equal(users.counters.misses, misses)
  await users.get('b')
  assert.equal(users.counters.misses, misses + 1)
})
