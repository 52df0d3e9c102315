/** An application that has a topic of forecasts and nothing else; its name is its own, for the shared broker. Worker threads import it too. */
import { application, text, topic } from 'aldebaran'
import { forecastSchema } from '../../schemas.ts'

export const forecasts = topic('weather-api-test.forecasts', { key: text(), value: forecastSchema(), partitions: 3 })
export const app = application('weather-api-test', { topics: [forecasts] })
