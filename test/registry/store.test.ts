/** Several processes that write to one registry at a time, and a topic that is compacted: all come to the same state. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { deleteSubject, deleteVersion, setCompatibility } from '../../src/connect/registry/administration.ts'
import { DEFAULT_TOPIC, SchemaRegistry } from '../../src/connect/registry/registry.ts'
import type { RegistryState } from '../../src/connect/registry/state.ts'
import { type InlineLog, inlineLog } from '../../src/log/inline.ts'
import { SimulatedStore } from '../../src/testing/simulated-store.ts'
import { VirtualClock } from '../../src/time/clock.ts'

interface World {
  clock: VirtualClock
  log: InlineLog
  registries: SchemaRegistry[]
  open(): Promise<SchemaRegistry>
}

/** Registries that share a log as processes do: each with a client, and turns, of its own. */
async function openWorld(count: number): Promise<World> {
  const clock = new VirtualClock(1_000_000)
  const log = inlineLog(new SimulatedStore(), { clock, durability: 'disk' })
  const open = () => SchemaRegistry.open(log.client(), DEFAULT_TOPIC, clock)
  const registries: SchemaRegistry[] = []
  for (let i = 0; i < count; i++) registries.push(await open())
  return { clock, log, registries, open }
}

function compact({ clock, log }: World): void {
  clock.advance(2 * 24 * 3_600_000)
  while (log.maintain());
}

const avroText = (name: string) =>
  JSON.stringify({ type: 'record', name: 'R', fields: [{ name, type: 'int', default: 0 }] })
const draft = (name: string) => ({ type: 'AVRO' as const, text: avroText(name), references: [] })

/** What can be seen of a state. */
function seen(state: RegistryState) {
  const versions = state.all().map(({ subject, version, schema, deleted }) => [subject, version, schema.id, deleted])
  return {
    versions,
    schemas: [...state.schemas.values()].map(({ id, text }) => [id, text]).sort((a, b) => Number(a[0]) - Number(b[0])),
    compatibility: [...state.compatibility].sort(),
    highestId: state.highestId,
  }
}

test('the same schema registered by many at once has one id and one version', async () => {
  const { registries } = await openWorld(5)
  const versions = await Promise.all(registries.map(registry => registry.register('s', draft('a'))))
  assert.deepEqual(new Set(versions.map(version => `${version.schema.id} ${version.version}`)), new Set(['1 1']))
  const subjects = await Promise.all(registries.map((registry, i) => registry.register(`s${i}`, draft('a'))))
  assert.deepEqual(new Set(subjects.map(version => version.schema.id)), new Set([1]))
})

test('different schemas registered by many at once have an id and a version each, one after the other', async () => {
  const { registries } = await openWorld(5)
  const versions = await Promise.all(registries.map((registry, i) => registry.register('s', draft(`f${i}`))))
  const numbers = (of: 'id' | 'version') => versions.map(one => (of === 'id' ? one.schema.id : one.version)).sort()
  assert.deepEqual(numbers('version'), [1, 2, 3, 4, 5])
  assert.equal(new Set(numbers('id')).size, 5)
  for (const [i, version] of versions.entries()) assert.equal(version.schema.text, avroText(`f${i}`))
})

test('who lost decides again with what is known then: an incompatible schema is refused', async () => {
  const { registries } = await openWorld(2)
  const text = (name: string) => JSON.stringify({ type: 'record', name: 'R', fields: [{ name, type: 'int' }] })
  const outcomes = await Promise.allSettled(
    registries.map((registry, i) => registry.register('s', { type: 'AVRO', text: text(`f${i}`), references: [] })),
  )
  assert.deepEqual(outcomes.map(outcome => outcome.status).sort(), ['fulfilled', 'rejected'])
  const refused = outcomes.find(outcome => outcome.status === 'rejected')
  assert.equal(refused?.reason.details.errorCode, 409)
})

test('records of others in the topic, and of newer versions, are passed over', async () => {
  const { registries, log, open } = await openWorld(1)
  const [registry] = registries
  await registry!.register('s', draft('a'))
  const { store } = registry!
  await store.append([
    { key: { kind: 'guess', subject: 's' } as never, value: {} },
    { key: 'text' as never, value: 'text' },
    { key: { kind: 'version', subject: 's', version: 9, by: 'x' }, value: null },
    { key: { kind: 'schema', id: 9, by: 'x' }, value: 7 as never },
    { key: { kind: 'compatibility', subject: 's' }, value: 'SOMETIMES' },
  ])
  assert.equal(store.state.foreign, 5)
  const again = await (await open()).current()
  assert.deepEqual(seen(again), seen(store.state))
  assert.deepEqual(seen(again).versions, [['s', 1, 1, false]])
  await log.close()
})

const subject = fc.constantFrom('s', 't')
const operation = fc.record({
  by: fc.nat(2),
  what: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('register' as const),
        subject,
        name: fc.constantFrom('a', 'b', 'c', 'd'),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), subject, permanent: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('deleteLatest' as const), subject, permanent: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('level' as const), subject }) },
  ),
})

test('whatever several do at once, all see the same, also after compaction, and no id or version is ever another schema', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(operation, { minLength: 1, maxLength: 4 }), { maxLength: 8 }), async rounds => {
      const world = await openWorld(3)
      /** The text that each id was told to have. */
      const told = new Map<number, string>()
      for (const round of rounds) {
        await Promise.allSettled(
          round.map(async ({ by, what }) => {
            const registry = world.registries[by]!
            if (what.kind === 'register') {
              const { schema, subject } = await registry.register(what.subject, draft(what.name))
              assert.equal(subject, what.subject)
              assert.equal(schema.text, avroText(what.name))
              assert.equal(told.get(schema.id) ?? schema.text, schema.text)
              told.set(schema.id, schema.text)
            } else if (what.kind === 'delete') await deleteSubject(registry, what.subject, what.permanent)
            else if (what.kind === 'deleteLatest') {
              await deleteVersion(registry, what.subject, 'latest', what.permanent)
            } else await setCompatibility(registry, what.subject, 'NONE')
          }),
        ).then(outcomes => {
          for (const outcome of outcomes) {
            if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'REGISTRY_REFUSED', outcome.reason)
          }
        })
      }
      const states = await Promise.all(world.registries.map(registry => registry.current()))
      const before = seen(states[0]!)
      for (const state of states) assert.deepEqual(seen(state), before)
      compact(world)
      const after = await (await world.open()).current()
      assert.deepEqual(seen(after), before)
      for (const [id, text] of told) assert.equal(after.schemas.get(id)?.text, text)
    }),
    { numRuns: 150 },
  )
})
