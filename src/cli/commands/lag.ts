import type { Command } from 'commander'
import type { PartitionLag } from '../../http/lag.ts'
import type { Session } from '../session.ts'
import { countText, timeText } from '../show-values.ts'

export function define(command: Command, session: Session): void {
  command.action(() => lag(session))
}

async function lag({ api, out }: Session): Promise<void> {
  const { lag } = await api.get<{ lag: PartitionLag[] }>('/lag')
  out.rows(
    [
      { header: 'READER', cell: one => one.group },
      { header: 'TOPIC', cell: one => one.topic },
      { header: 'PARTITION', cell: one => one.partition, right: true },
      { header: 'POSITION', cell: one => (one.position === null ? null : countText(one.position)), right: true },
      { header: 'END', cell: one => countText(one.end), right: true },
      { header: 'LAG', cell: one => countText(one.lag), right: true },
      { header: 'EVENT TIME', cell: one => (one.watermark === null ? null : timeText(one.watermark)) },
    ],
    lag,
    'Nobody reads a topic.',
  )
}
