/** The auditor with alert channels as `aldebaran run` starts it, as several processes on the broker that tests share. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aldebaran, type Outcome } from '../e2e/command-here.ts'
import { CommandNodes } from './command-nodes.ts'

export const PARTITIONS = 2

export interface Doubt {
  event: string
  channel: string
  order: string
}

export class AuditNodes extends CommandNodes {
  /** Of the application, and what the names of its topics begin with. */
  readonly name = `alerts-${randomUUID().slice(0, 8)}`
  protected readonly environment: NodeJS.ProcessEnv

  constructor(bootstrap: string, channels: readonly object[]) {
    super('audit', bootstrap)
    const file = join(this.folder, 'channels.json')
    writeFileSync(file, JSON.stringify({ channels }))
    this.environment = {
      AUDIT_NAME: this.name,
      AUDIT_TRADES: `${this.name}-trades`,
      AUDIT_REQUESTS: `${this.name}-requests`,
      AUDIT_PURCHASES: `${this.name}-purchases`,
      AUDIT_ALERTS: `${this.name}-alerts`,
      AUDIT_PARTITIONS: String(PARTITIONS),
      AUDIT_DELTA_MS: '3600000',
      AUDIT_CHANNELS: file,
    }
  }

  /** A command to that node. Repeated as long as tasks are on their way to another node. */
  async ask(node: string, args: string[], input = ''): Promise<Outcome['lines']> {
    for (;;) {
      const { code, err, lines } = await aldebaran(args, { input, env: { ALDEBARAN_URL: this.urlOf(node) } })
      if (code === 0) return lines
      assert.match(err, /\((?:BUSY|WORKER_DIED)\)/)
    }
  }

  /** Orders that are bought with one share too many: an alert each. Resolves when that is durable. */
  async overbuy(node: string, ids: readonly string[]): Promise<void> {
    const trades = ids.flatMap(id => [
      { id, '#shares': 100, client: 'ACME', stock: 'XYZ' },
      { id: `p-${id}`, initial_order_id: id, '#shares': 101, client: 'ACME', stock: 'XYZ' },
    ])
    const input = trades.map(trade => JSON.stringify(trade)).join('\n')
    const lines = await this.ask(node, ['produce', `${this.name}-trades`], input)
    assert.deepEqual(lines, [{ accepted: trades.length, rejected: 0 }])
  }

  async inDoubt(node: string): Promise<Doubt[]> {
    const lines = await this.ask(node, ['alerts', 'in-doubt', 'ls', '-n', '1000'])
    return lines.map(({ event, destination, value }) => ({
      event: String(event),
      channel: String(destination),
      order: (value as { orderId: string }).orderId,
    }))
  }

  /** What `aldebaran alerts` says of a channel at that node; nothing: it has had no alert since its tasks began. */
  async channel(node: string, name: string): Promise<Record<string, unknown>> {
    const lines = await this.ask(node, ['alerts'])
    return lines.find(({ destination }) => destination === name) ?? {}
  }

  /** Orders of all alerts that are in the topic, of each as often as it is there. */
  async alerts(node: string): Promise<string[]> {
    const lines = await this.ask(node, ['tail', `${this.name}-alerts`, '--from', 'earliest', '-n', '1000'])
    return lines.map(({ value }) => (value as { orderId: string }).orderId).sort()
  }
}
