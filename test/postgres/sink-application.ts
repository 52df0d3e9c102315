/** An application with a topic of measurements, for the tests of sinks. */
import { application, avro, t, text, topic } from 'aldebaran'

export const measurements = topic('measurements', {
  key: text(),
  value: avro('Measurement', {
    station: t.string,
    number: t.int,
    at: t.timestampMillis,
    level: t.optional(t.double),
  }),
  partitions: 3,
})

export const app = application('gauges', { topics: [measurements] })
