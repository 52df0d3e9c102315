/**
 * The weather platform as it must not be, by the number of the city, modulo ten: 0 loses readings, 1 tells of each twice, 2
 * makes dead letters, 3 tells that they were late. Worker threads import it too.
 */
import { application, count, pipeline, text, topic, tumbling } from 'aldebaran'
import { JOB, TOPICS } from '../../app.ts'
import { type Forecast, forecastSchema, readingSchema } from '../../schemas.ts'

const settings = { key: text(), partitions: 2 }
const readings = topic(TOPICS.readings, {
  ...settings,
  value: readingSchema(),
  keyOf: (one: { city: string }) => one.city,
})
const late = topic(TOPICS.late, { ...settings, value: readingSchema() })
const forecasts = topic(TOPICS.forecasts, { ...settings, value: forecastSchema() })

const kindOf = (city: string): number => Number(city.at(-1))

const job = pipeline(JOB)
const branches = job
  .from(readings, { timestamp: ({ timestamp }) => timestamp, outOfOrderness: '2s', idleAfter: '500ms' })
  .filter(({ city }) => {
    if (kindOf(city) === 2) throw new Error('this city is not wanted')
    return kindOf(city) !== 0
  })
  .branch({ late: ({ city }) => kindOf(city) === 3, others: () => true })
branches.late.to(late)
branches.others
  .window('seconds', tumbling('1s'))
  .aggregate({ readings: count() })
  .map(({ readings, ...window }, { key }): Forecast => {
    const told = kindOf(key) === 1 ? 2 * readings : readings
    const means = { heatIndex: null, temperature: null, humidity: null, rollingHeatIndex: null }
    return { ...window, ...means, city: key, readings: told }
  })
  .to(forecasts)

export const app = application('weather', { pipelines: [job] })
