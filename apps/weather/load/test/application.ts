/** The weather platform with short windows. Worker threads import it too. */
import { buildWeather } from '../../app.ts'

export const { application: app } = buildWeather({
  window: '1s',
  rollingFreq: '5s',
  outOfOrderness: '200ms',
  idleAfter: '500ms',
  partitions: 2,
})
