import type { Command } from 'commander'
import type { StoredSchema, Topic } from '../api-shapes.ts'
import type { Session } from '../session.ts'
import { countText, durationText, sizeText } from '../show-values.ts'

export function define(command: Command, session: Session): void {
  command
    .command('ls', { isDefault: true })
    .description('list them')
    .option('--internal', 'those of the runtime too')
    .action((options: { internal?: boolean }) => list(session, options.internal === true))
  command
    .command('show')
    .description('one topic: its partitions and schemas')
    .argument('<topic>')
    .action((name: string) => show(session, name))
}

async function list({ api, out }: Session, internal: boolean): Promise<void> {
  const { topics } = await api.get<{ topics: Topic[] }>('/topics', internal ? { internal } : {})
  out.rows(
    [
      { header: 'TOPIC', cell: topic => topic.name },
      { header: 'PARTITIONS', cell: topic => topic.partitions, right: true },
      { header: 'RECORDS', cell: topic => countText(topic.records), right: true },
      { header: 'SIZE', cell: topic => sizeText(topic.bytes), right: true },
      { header: 'KEY', cell: topic => topic.key?.format ?? 'bytes' },
      { header: 'VALUE', cell: topic => topic.value?.format ?? 'bytes' },
    ],
    topics,
    'There are no topics.',
  )
}

interface TopicDetails extends Topic {
  written: number
  retentionBytes: number | null
  retentionMs: number | null
  partitionList: { partition: number; start: number; end: number; bytes: number }[]
}

async function show({ api, out }: Session, name: string): Promise<void> {
  const topic = await api.get<TopicDetails>(`/topics/${encodeURIComponent(name)}`)
  const { retentionBytes, retentionMs } = topic
  out.properties(topic, {
    topic: topic.name,
    records: `${countText(topic.records)} of ${countText(topic.written)} ever written`,
    size: sizeText(topic.bytes),
    retention:
      [
        ...(retentionBytes === null ? [] : [`${sizeText(retentionBytes)} a partition`]),
        ...(retentionMs === null ? [] : [durationText(retentionMs)]),
      ].join(', ') || 'for ever',
    key: schemaText(topic.key),
    value: schemaText(topic.value),
  })
  if (out.json) return
  out.text('')
  out.rows(
    [
      { header: 'PARTITION', cell: one => one.partition, right: true },
      { header: 'START', cell: one => countText(one.start), right: true },
      { header: 'END', cell: one => countText(one.end), right: true },
      { header: 'SIZE', cell: one => sizeText(one.bytes), right: true },
    ],
    topic.partitionList,
    '',
  )
}

function schemaText(schema: StoredSchema | null): string {
  return schema === null ? 'bytes' : `${schema.format}${schema.definition === null ? '' : ` ${schema.definition}`}`
}
