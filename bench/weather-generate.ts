/**
 * Fills the input of the weather platform, in a process of its own so that its memory and time do not count.
 * Arguments: folder, cities, steps, milliseconds of a step, bytes of padding, durability, partitions.
 */
import { buildWeather } from '../apps/weather/app.ts'
import { Producer } from '../src/index.ts'
import { openLog } from '../src/log/host.ts'
import { cityName, humidityOf, temperatureOf, timeOf } from './weather-workload.ts'

const FLUSH_BYTES = 512 * 1024

const [folder = '', cities = '', steps = '', stepMs = '', padding = '', durability = '', partitions = ''] =
  process.argv.slice(2)
const { readings } = buildWeather({ partitions: Number(partitions), retention: { readings: '36500d' } })
const host = await openLog({ path: folder, durability: durability === 'disk' ? 'disk' : 'process', maxBytes: 256e9 })
const log = host.client()
await log.createTopic(readings.name, readings.options)

const producer = new Producer(log)
const workload = { cities: Number(cities), steps: Number(steps), stepMs: Number(stepMs) }
const names = Array.from({ length: workload.cities }, (_, city) => cityName(city))
const headers = Number(padding) > 0 ? [{ key: 'station', value: Buffer.alloc(Number(padding), 'x') }] : []
const reading = { city: '', timestamp: 0, temperature: 0 as number | null, humidity: 0 as number | null }
const underWay: Promise<unknown>[] = []
for (let step = 0; step < workload.steps; step++) {
  for (let city = 0; city < workload.cities; city++) {
    reading.city = names[city]!
    reading.timestamp = timeOf(workload, city, step)
    reading.temperature = temperatureOf(city, step)
    reading.humidity = humidityOf(city, step)
    producer.send(readings, reading.city, reading, { timestamp: reading.timestamp, headers })
    if ((city & 255) === 0 && producer.bytes >= FLUSH_BYTES) {
      underWay.push(producer.flush())
      if (underWay.length >= 4) await underWay.shift()
    }
  }
}
await producer.flush()
await Promise.all(underWay)
let bytes = 0
for (let i = 0; i < readings.options.partitions; i++) bytes += log.partition(readings.name, i).bytes
await log.close()
await host.close()
process.stdout.write(`${JSON.stringify({ bytes })}\n`)
