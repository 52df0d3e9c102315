// @ts-check
// What an operator can do about events and dead letters of one delivery: asked first, then told.
import { get, post } from './api.js'
import { ask } from './ask.js'
import { questionOf } from './delivery-words.js'
import { html } from './element.js'
import { draftOf, editOf } from './letter-edit.js'
import { shapeOf } from './record-cells.js'

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
  async edit(offset, destination) {
    try {
      const application = this.#settings.application()
      const letter = /** @type {import('./letter-edit.js').Stored & { source: { topic: string } }} */ (
        await get(`/dead-letters/${offset}?${application}`)
      )
      const topic = await get(`/topics/${encodeURIComponent(letter.source.topic)}?${application}`)
      const draft = draftOf(letter, shapeOf(topic))
      if (draft === null) {
        const text = `The bytes of letter ${offset} are no text: aldebaran dlq replay ${offset} --bytes FILE takes others.`
        return this.#settings.told(text, true)
      }
      const answer = await ask({
        title: `Edit and replay letter ${offset}`,
        text: `It goes to ${destination} with this value, and to no other. The letter keeps what it has.`,
        confirm: 'Replay',
        fields: [{ name: 'value', label: draft.isBytes ? 'Value' : 'Value, as JSON', value: draft.text, type: 'long' }],
      })
      if (answer === null) return
      const edit = editOf(answer.value ?? '', draft.isBytes)
      await this.#letters('replay', offset, 'Replayed with another value.', { edit })
    } catch (error) {
      this.#settings.told(error instanceof Error ? error.message : String(error), true)
    }
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
    const path = `${this.#settings.address()}/commands?${this.#settings.application()}`
    if ((await this.#post(path, command)) !== null) this.#settings.told(done, false)
  }

  /**
   * @param {'replay' | 'purge'} what
   * @param {number} offset
   * @param {string} done
   * @param {object} [more] of the body
   */
  async #letters(what, offset, done, more = {}) {
    const path = `/dead-letters/${what}?${this.#settings.application()}`
    const answer = await this.#post(path, { offsets: [offset], ...more })
    if (answer === null) return
    const { changed, failed } = /** @type {{ changed: number, failed: { message: string }[] }} */ (answer)
    if (changed === 1) this.#settings.told(done, false)
    else this.#settings.told(failed[0]?.message ?? `Letter ${offset} was replayed or dropped already.`, true)
  }

  /**
   * Null: it failed, and that was told.
   * @param {string} path
   * @param {object} body
   */
  async #post(path, body) {
    try {
      return await post(path, body)
    } catch (error) {
      this.#settings.told(error instanceof Error ? error.message : String(error), true)
      return null
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
