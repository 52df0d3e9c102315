// @ts-check
// What an operator can do about events and dead letters of one delivery: asked first, then told.
import { post } from './api.js'
import { ask } from './ask.js'
import { questionOf } from './delivery-words.js'
import { html } from './element.js'

/**
 * @typedef {{ id: string, event: string | null, destination: string, state: string, error: string }} Decided
 * @typedef {{ address: () => string, application: () => string, told: (text: string, isBad: boolean) => void }} Settings
 */

export class DeliveryActs {
  #settings

  /** @param {Settings} settings */
  constructor(settings) {
    this.#settings = settings
  }

  /**
   * @param {'send' | 'drop'} verb
   * @param {Decided} event
   */
  async decide(verb, event) {
    const name = verb === 'send' ? 'Send' : 'Drop'
    const answer = await ask({ title: `${name} ${event.id}?`, text: questionOf(verb, event), confirm: name })
    if (answer === null) return
    await this.command({ command: verb, event: event.event }, `${name} ${event.id}: carried out in a moment.`)
  }

  /**
   * @param {number} offset of the letter
   * @param {string} destination
   */
  async replay(offset, destination) {
    const text = `It goes to ${destination} again, and to no other.`
    const answer = await ask({ title: `Replay letter ${offset}?`, text, confirm: 'Replay' })
    if (answer !== null) await this.#letters('replay', offset, 'Replayed.')
  }

  /**
   * @param {number} offset of the letter
   * @param {string} destination
   */
  async purge(offset, destination) {
    const text = `It is given up for good: it will not go to ${destination}, and cannot be replayed afterwards.`
    const answer = await ask({ title: `Drop letter ${offset}?`, text, confirm: 'Drop' })
    if (answer !== null) await this.#letters('purge', offset, 'Dropped.')
  }

  /**
   * @param {object} command
   * @param {string} done
   */
  async command(command, done) {
    await this.#post(`${this.#settings.address()}/commands?${this.#settings.application()}`, command, done)
  }

  /**
   * @param {'replay' | 'purge'} what
   * @param {number} offset
   * @param {string} done
   */
  async #letters(what, offset, done) {
    await this.#post(`/dead-letters/${what}?${this.#settings.application()}`, { offsets: [offset] }, done)
  }

  /**
   * @param {string} path
   * @param {object} body
   * @param {string} done
   */
  async #post(path, body, done) {
    try {
      await post(path, body)
      this.#settings.told(done, false)
    } catch (error) {
      this.#settings.told(error instanceof Error ? error.message : String(error), true)
    }
  }
}

/**
 * Read aloud with what it is about.
 * @param {string} text
 * @param {string} of
 * @param {() => void} act
 */
export function button(text, of, act) {
  const made = html('button', { type: 'button', 'aria-label': `${text} ${of}` }, text)
  made.addEventListener('click', act)
  return made
}
