/** An application with the topic of forecasts alone, which tests write to. */
import { application, text, topic } from 'aldebaran'
import { forecastSchema } from '../../schemas.ts'

export const forecasts = topic('forecast_output_topic', { key: text(), value: forecastSchema(), partitions: 4 })
export const app = application('weather-store', { topics: [forecasts] })
