// @ts-check
// The table of the hottest cities. Its rows are ids; what they show is looked up each time.
import { html } from './element.js'
import { LiveTable } from './live-table.js'
import { nameOf } from './weather-names.js'
import { categoryName, degrees, PALETTE, shadeOf } from './weather-scale.js'

/**
 * @param {HTMLElement} target
 * @param {{ heatOf: (id: string) => number, names: import('./weather-names.js').CityNames, chosen: (id: string) => void }} settings
 */
export function hottestTable(target, { heatOf, names, chosen }) {
  const nameOr = (/** @type {string} */ id) => {
    const city = names.get(id)
    return city === null ? id : nameOf(city)
  }
  return new LiveTable(target, {
    label: 'Hottest cities',
    keyOf: (/** @type {string} */ id) => id,
    columns: [
      {
        header: 'city',
        style: 'wrap',
        mark: nameOr,
        make: id => {
          const link = html('a', { href: `#/weather/${encodeURIComponent(id)}` }, nameOr(id))
          link.addEventListener('click', event => {
            // The page stays: only the city is another one.
            event.preventDefault()
            chosen(id)
          })
          return link
        },
      },
      { header: 'heat index', right: true, text: id => degrees(heatOf(id)) },
      {
        header: 'category',
        mark: id => String(shadeOf(heatOf(id))),
        make: id => {
          const heat = heatOf(id)
          return html('span', { class: 'category' }, swatchOf(PALETTE[shadeOf(heat)] ?? ''), categoryName(heat))
        },
      },
    ],
  })
}

/** @param {string} colour */
export function swatchOf(colour) {
  const swatch = html('span', { class: 'swatch' })
  swatch.style.background = colour
  return swatch
}
