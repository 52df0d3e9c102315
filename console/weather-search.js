// @ts-check
// The search box of cities: a combobox with what the API finds below it.
import { get } from './api.js'
import { html } from './element.js'
import { exact } from './format.js'
import { nameOf } from './weather-names.js'

/**
 * @typedef {import('./weather-names.js').City} City
 * @typedef {{ input: HTMLInputElement, list: HTMLElement, chosen: (city: City) => void, found: (cities: City[]) => void }} Settings
 */

const SHOWN = 8
/** After the last key. */
const PAUSE_MS = 120

export class CitySearch {
  #settings
  /** @type {City[]} */
  #found = []
  #active = -1
  /** Grows with each question: answers to earlier ones are late. */
  #turn = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer

  /** @param {Settings} settings */
  constructor(settings) {
    this.#settings = settings
    const { input, list } = settings
    input.addEventListener('input', () => {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => void this.#ask(), PAUSE_MS)
    })
    input.addEventListener('keydown', event => this.#keyed(event))
    input.addEventListener('blur', () => this.#close())
    // Before the input loses the focus, which closes the list.
    list.addEventListener('pointerdown', event => {
      event.preventDefault()
      const option = event.target instanceof Element ? event.target.closest('[role=option]') : null
      if (option !== null) this.#choose([...list.children].indexOf(option))
    })
  }

  async #ask() {
    const turn = ++this.#turn
    const text = this.#settings.input.value.trim()
    if (text === '') return this.#close()
    const path = `/weather/cities?limit=${SHOWN}&search=${encodeURIComponent(text)}`
    const answer = await get(path).catch(() => null)
    if (turn !== this.#turn || answer === null) return
    this.#found = /** @type {{ cities: City[] }} */ (answer).cities
    this.#settings.found(this.#found)
    this.#show()
  }

  #show() {
    const { input, list } = this.#settings
    this.#active = this.#found.length > 0 ? 0 : -1
    list.replaceChildren(
      ...this.#found.map((city, i) =>
        html(
          'div',
          { id: `weather-found-${i}`, role: 'option' },
          nameOf(city),
          html('span', { class: 'muted' }, city.population > 0 ? ` ${exact(city.population)}` : ''),
        ),
      ),
      ...(this.#found.length === 0
        ? [html('div', { class: 'muted', role: 'option', 'aria-disabled': 'true' }, 'No city begins so.')]
        : []),
    )
    list.hidden = false
    input.setAttribute('aria-expanded', 'true')
    this.#mark()
  }

  #mark() {
    const { input, list } = this.#settings
    for (const [i, option] of [...list.children].entries())
      option.setAttribute('aria-selected', String(i === this.#active))
    if (this.#active < 0) input.removeAttribute('aria-activedescendant')
    else input.setAttribute('aria-activedescendant', `weather-found-${this.#active}`)
  }

  #close() {
    const { input, list } = this.#settings
    clearTimeout(this.#timer)
    this.#turn++
    list.hidden = true
    this.#active = -1
    input.setAttribute('aria-expanded', 'false')
    input.removeAttribute('aria-activedescendant')
  }

  /** @param {KeyboardEvent} event */
  #keyed(event) {
    const count = this.#found.length
    const isOpen = !this.#settings.list.hidden
    if (event.key === 'Escape' && isOpen) this.#close()
    else if (event.key === 'Enter' && isOpen && this.#active >= 0) this.#choose(this.#active)
    else if (event.key === 'Enter') void this.#ask()
    else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && isOpen && count > 0) {
      this.#active = (this.#active + (event.key === 'ArrowDown' ? 1 : count - 1)) % count
      this.#mark()
    } else return
    event.preventDefault()
  }

  /** @param {number} at */
  #choose(at) {
    const city = this.#found[at]
    if (city === undefined) return
    this.#settings.input.value = city.name
    this.#close()
    this.#settings.chosen(city)
  }
}
