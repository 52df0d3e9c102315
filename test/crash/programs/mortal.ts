/**
 * Runs the application and tells what happens, one JSON line each: `mortal.ts FOLDER ORDERS`, where ORDERS is how many
 * it sends itself.
 */
import { setTimeout } from 'node:timers/promises'
import { embedded, Producer, run } from '../../../src/index.ts'
import { breakLog } from './break-log.ts'
import { KEYS, mortal, type Order, orders, say } from './mortal-application.ts'

/**
 * What the program is asked over its channel: to send orders, to wait until a worker was started again, to wait until
 * all orders are done, or to break.
 */
export type Asked = Order[] | 'see a restart' | 'settle' | 'break the log'

const [folder = '', count = '0'] = process.argv.slice(2)
const started = run(mortal, { log: embedded(folder, { durability: 'process' }), workers: 2, http: false })
say('starts')
const running = await started
running.onStop(async () => say('stops', { charged: sum('chargedBytes') }))
const sum = (name: 'recordsIn' | 'chargedBytes' | 'restarts') =>
  running.workers.reduce((total, worker) => total + worker.measures.get(name), 0)
process.once('exit', () => {
  say('ends', { processed: sum('recordsIn'), used: running.budget.used, charged: sum('chargedBytes') })
})
say('ready')
const { log } = running
process.on('message', async (asked: Asked) => {
  if (asked === 'break the log') return breakLog(running.address())
  if (asked === 'see a restart') {
    while (sum('restarts') === 0 || !running.health().ready) await setTimeout(2)
  } else if (asked === 'settle') {
    const sent = () => KEYS.reduce((sum, _, i) => sum + log.partition(orders.name, i).end, 0)
    while (log.positions('mortal.work').reduce((sum, one) => sum + one.offset, 0) < sent()) await setTimeout(2)
  } else {
    const producer = new Producer(log)
    for (const order of asked) producer.send(orders, KEYS[order.n % 2]!, order)
    await producer.flush()
  }
  process.send!(null)
})
const producer = new Producer(running.log)
for (let n = 0; n < Number(count); n++) {
  producer.send(orders, KEYS[n % 2]!, { n })
  if (n % 100 === 99) await producer.flush()
  if (n === 200) say('works')
}
