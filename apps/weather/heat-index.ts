/**
 * What the air feels like, in degrees Fahrenheit, from temperature (°F) and relative humidity (%).
 *
 * Source: L. P. Rothfusz, "The Heat Index Equation", NWS Technical Attachment SR 90-23 (1990), and the page of the US
 * National Weather Service that tells when to use it: https://www.wpc.ncep.noaa.gov/html/heatindex_equation.shtml
 */
export const C1_HEAT_INDEX_COEFFICIENT = -42.379
export const C2_HEAT_INDEX_COEFFICIENT = 2.04901523
export const C3_HEAT_INDEX_COEFFICIENT = 10.14333127
export const C4_HEAT_INDEX_COEFFICIENT = -0.22475541
export const C5_HEAT_INDEX_COEFFICIENT = -6.83783e-3
export const C6_HEAT_INDEX_COEFFICIENT = -5.481717e-2
export const C7_HEAT_INDEX_COEFFICIENT = 1.22874e-3
export const C8_HEAT_INDEX_COEFFICIENT = 8.5282e-4
export const C9_HEAT_INDEX_COEFFICIENT = -1.99e-6

/** `regression`: the nine-coefficient regression everywhere. `nws`: the whole algorithm of the National Weather Service. */
export const FORMULAS = ['regression', 'nws'] as const
export type Formula = (typeof FORMULAS)[number]

export type HeatIndex = (temperature: number, humidity: number) => number

export function heatIndexOf(formula: Formula): HeatIndex {
  return formula === 'regression' ? regressionHeatIndex : nwsHeatIndex
}

/** The regression of Rothfusz. It is fitted to 80 °F and more: below, it gives values of little meaning. */
export function regressionHeatIndex(temperature: number, humidity: number): number {
  const temp_square = temperature * temperature
  const humid_square = humidity * humidity
  const temp_humid = temperature * humidity
  return (
    C1_HEAT_INDEX_COEFFICIENT +
    C2_HEAT_INDEX_COEFFICIENT * temperature +
    C3_HEAT_INDEX_COEFFICIENT * humidity +
    C4_HEAT_INDEX_COEFFICIENT * temp_humid +
    C5_HEAT_INDEX_COEFFICIENT * temp_square +
    C6_HEAT_INDEX_COEFFICIENT * humid_square +
    C7_HEAT_INDEX_COEFFICIENT * temp_square * humidity +
    C8_HEAT_INDEX_COEFFICIENT * humid_square * temperature +
    C9_HEAT_INDEX_COEFFICIENT * temp_square * humid_square
  )
}

/**
 * The simple formula of Steadman averaged with the temperature (that is the half in it), where that is below 80 °F; else the
 * regression, less an adjustment for dry air, or with one for humid air.
 */
export function nwsHeatIndex(temperature: number, humidity: number): number {
  const simple = 0.5 * (temperature + 61 + (temperature - 68) * 1.2 + humidity * 0.094)
  if (!(simple >= 80)) return simple
  const regression = regressionHeatIndex(temperature, humidity)
  if (humidity < 13 && temperature >= 80 && temperature <= 112) {
    return regression - ((13 - humidity) / 4) * Math.sqrt((17 - Math.abs(temperature - 95)) / 17)
  }
  if (humidity > 85 && temperature >= 80 && temperature <= 87) {
    return regression + ((humidity - 85) / 10) * ((87 - temperature) / 5)
  }
  return regression
}
