/**
 * Which answers show what, so that exactly those are dropped that are not true any more.
 *
 * 1. An answer is known here until it is dropped, by whomever.
 */
import type { ReadyAnswer } from 'aldebaran'

interface WindowWatch {
  readonly answer: ReadyAnswer
  readonly from: number
  readonly to: number
}

interface AnyWatch {
  readonly answer: ReadyAnswer
  readonly isTouched: (city: number) => boolean
}

export class Watchers {
  readonly #latest = new Map<number, Set<ReadyAnswer>>()
  readonly #windows = new Map<number, Set<WindowWatch>>()
  readonly #any = new Set<AnyWatch>()

  /** It shows the newest values of these cities, by number. */
  watchLatest(cities: readonly number[], answer: ReadyAnswer): void {
    for (const city of cities) setOf(this.#latest, city).add(answer)
    answer.onDrop = () => {
      for (const city of cities) removeFrom(this.#latest, city, answer)
    }
  }

  /** It shows the values of a city's windows that start in [from, to). */
  watchWindows(city: number, from: number, to: number, answer: ReadyAnswer): void {
    const watch = { answer, from, to }
    setOf(this.#windows, city).add(watch)
    answer.onDrop = () => removeFrom(this.#windows, city, watch)
  }

  /** What it shows may change with the newest value of any city; `isTouched` tells of which it did. */
  watchAny(isTouched: (city: number) => boolean, answer: ReadyAnswer): void {
    const watch = { answer, isTouched }
    this.#any.add(watch)
    answer.onDrop = () => this.#any.delete(watch)
  }

  latestChanged(city: number): void {
    for (const answer of this.#latest.get(city) ?? []) answer.drop()
    for (const { answer, isTouched } of this.#any) if (isTouched(city)) answer.drop()
  }

  windowChanged(city: number, start: number): void {
    for (const { answer, from, to } of this.#windows.get(city) ?? []) if (start >= from && start < to) answer.drop()
  }

  /** Answers that are known, for tests of invariant 1. */
  get count(): number {
    const answers = new Set([...this.#any].map(({ answer }) => answer))
    for (const set of this.#latest.values()) for (const answer of set) answers.add(answer)
    for (const set of this.#windows.values()) for (const { answer } of set) answers.add(answer)
    return answers.size
  }
}

function setOf<T>(sets: Map<number, Set<T>>, city: number): Set<T> {
  let set = sets.get(city)
  if (set === undefined) {
    set = new Set()
    sets.set(city, set)
  }
  return set
}

function removeFrom<T>(sets: Map<number, Set<T>>, city: number, one: T): void {
  const set = sets.get(city)
  set?.delete(one)
  if (set?.size === 0) sets.delete(city)
}
