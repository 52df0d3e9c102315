/**
 * A hierarchical timing wheel over rows of typed arrays that someone else owns: set, cancel and move in O(1), 1 ms
 * resolution, any deadline from 1 to 2^53 − 1.
 *
 * Words: a *node* is a row number, never 0; its deadline, set-sequence and two links are words of that row, so the
 * wheel itself is a few kilobytes of list heads. The *position* is a time at or before every deadline in the wheel.
 * Level L has 256 slots of 256^L ms. A *late* node has a deadline before the position.
 *
 * Invariants
 * 1. A node hangs in the slot that its deadline and the position give: the level is that of the highest base-256
 *    digit in which they differ, the slot is the deadline's digit there. Late nodes hang in one list of their own.
 * 2. So nodes of one deadline are always in one list. Slots of level 0 (one deadline each) and the late list are kept
 *    in order of (deadline, sequence); lists of higher levels are in no order.
 * 3. The position moves only to the start of the first occupied slot, which is dealt to lower levels then, or to a
 *    time before it.
 * 4. A deadline of 0 means that the node is in no list.
 */

/** Which words of a node's row the wheel uses. */
export interface TimerWords {
  /** 4-byte words of a row; even. */
  readonly stride: number
  /** Index in 8-byte words of the deadline, a double. */
  readonly deadline: number
  /** Indices in 4-byte words. */
  readonly sequence: number
  readonly next: number
  readonly previous: number
}

const LEVELS = 7
const LATE = LEVELS * 256
const TWO_32 = 0x1_0000_0000
/** A wheel without nodes takes its position this far before its first deadline: 49.7 days, level 3 and below. */
const HEADROOM = TWO_32
/** With more late nodes than this, of which none is due, the clock was set back: the position follows it. */
const MANY_LATE = 256

/** Milliseconds of a slot of each level. */
const WIDTH = Float64Array.from({ length: LEVELS + 1 }, (_, level) => 256 ** level)

export class TimerWheel {
  #i32: Int32Array
  #f64: Float64Array
  readonly #stride: number
  readonly #halfStride: number
  readonly #deadline: number
  readonly #sequence: number
  readonly #next: number
  readonly #previous: number

  readonly #heads = new Int32Array(LATE + 1)
  readonly #tails = new Int32Array(LATE + 1)
  /** A bit for each slot that is not empty; 8 words a level. */
  readonly #occupied = new Int32Array(LEVELS * 8)
  #position = 0
  #count = 0
  #late = 0
  /** The slot of level 2 or higher whose least deadline is known, and a lower bound of that deadline. */
  #knownSlot = -1
  #knownLeast = 0

  constructor(words: TimerWords, i32: Int32Array, f64: Float64Array) {
    this.#stride = words.stride
    this.#halfStride = words.stride / 2
    this.#deadline = words.deadline
    this.#sequence = words.sequence
    this.#next = words.next
    this.#previous = words.previous
    this.#i32 = i32
    this.#f64 = f64
  }

  /** Nodes with a deadline. */
  get count(): number {
    return this.#count
  }

  /** Bytes of the wheel besides the words of its nodes. */
  get bytes(): number {
    return this.#heads.byteLength + this.#tails.byteLength + this.#occupied.byteLength
  }

  /** Tells that the rows lie in other arrays now. */
  attach(i32: Int32Array, f64: Float64Array): void {
    this.#i32 = i32
    this.#f64 = f64
  }

  /**
   * Sets or moves the timer of a node. `sequence` orders equal deadlines: 32 bits that may wrap, compared by their
   * distance. `deadline` is a safe integer in ms; 0 cancels.
   */
  set(node: number, deadline: number, sequence: number): void {
    if (this.#f64[node * this.#halfStride + this.#deadline] !== 0) this.cancel(node)
    if (deadline === 0) return
    if (this.#count === 0) this.#position = Math.max(0, deadline - HEADROOM)
    this.#count++
    this.#f64[node * this.#halfStride + this.#deadline] = deadline
    this.#i32[node * this.#stride + this.#sequence] = sequence
    this.#link(node, deadline)
  }

  cancel(node: number): void {
    const at = node * this.#halfStride + this.#deadline
    const deadline = this.#f64[at]!
    if (deadline === 0) return
    this.#f64[at] = 0
    this.#count--
    const slot = this.#slotOf(deadline)
    if (slot === this.#knownSlot && deadline <= this.#knownLeast) this.#knownSlot = -1
    const i32 = this.#i32
    const base = node * this.#stride
    const next = i32[base + this.#next]!
    const previous = i32[base + this.#previous]!
    if (next === 0) this.#tails[slot] = previous
    else i32[next * this.#stride + this.#previous] = previous
    if (previous === 0) this.#heads[slot] = next
    else i32[previous * this.#stride + this.#next] = next
    if (slot === LATE) this.#late--
    else if (this.#heads[slot] === 0) this.#occupied[slot >> 5]! &= ~(1 << (slot & 31))
  }

  deadlineOf(node: number): number {
    return this.#f64[node * this.#halfStride + this.#deadline]!
  }

  sequenceOf(node: number): number {
    return this.#i32[node * this.#stride + this.#sequence]!
  }

  /** The node with the earliest deadline ≤ `now`, of equal ones the first set, or 0. It stays in the wheel. */
  due(now: number): number {
    if (this.#late > 0) {
      const late = this.#heads[LATE]!
      if (this.deadlineOf(late) <= now) return late
      if (this.#late <= MANY_LATE || now >= this.#position) return 0
      this.#rebase(now)
    }
    for (;;) {
      const slot = this.#firstSlot()
      if (slot === -1) {
        if (now > this.#position) this.#position = Math.min(now, Number.MAX_SAFE_INTEGER)
        return 0
      }
      const start = this.#startOf(slot)
      if (start > now) {
        if (now > this.#position) this.#position = now
        return 0
      }
      this.#position = start
      if (slot < 256) return this.#heads[slot]!
      this.#deal(slot)
    }
  }

  /** A lower bound of the earliest deadline, less than a second too early, or Infinity. */
  nextDeadline(): number {
    if (this.#late > 0) return this.deadlineOf(this.#heads[LATE]!)
    const slot = this.#firstSlot()
    if (slot === -1) return Number.POSITIVE_INFINITY
    if (slot < 512) return this.#startOf(slot)
    if (slot !== this.#knownSlot) {
      let least = Number.POSITIVE_INFINITY
      for (let node = this.#heads[slot]!; node !== 0; node = this.#i32[node * this.#stride + this.#next]!) {
        const deadline = this.deadlineOf(node)
        if (deadline < least) least = deadline
      }
      this.#knownSlot = slot
      this.#knownLeast = least
    }
    return this.#knownLeast
  }

  #slotOf(deadline: number): number {
    const position = this.#position
    if (deadline < position) return LATE
    const high = (deadline / TWO_32) | 0
    const highDifference = high ^ ((position / TWO_32) | 0)
    if (highDifference !== 0) {
      const digit = (31 - Math.clz32(highDifference)) >> 3
      return ((digit + 4) << 8) | ((high >>> (digit << 3)) & 255)
    }
    const low = deadline | 0
    const difference = low ^ (position | 0)
    const digit = difference === 0 ? 0 : (31 - Math.clz32(difference)) >> 3
    return (digit << 8) | ((low >>> (digit << 3)) & 255)
  }

  /** The occupied slot with the earliest deadlines, or −1: the first of the lowest level (invariant 1). */
  #firstSlot(): number {
    const occupied = this.#occupied
    for (let word = 0; word < LEVELS * 8; word++) {
      const bits = occupied[word]!
      if (bits !== 0) return (word << 5) + 31 - Math.clz32(bits & -bits)
    }
    return -1
  }

  #startOf(slot: number): number {
    const level = slot >> 8
    const block = WIDTH[level + 1]!
    return Math.floor(this.#position / block) * block + (slot & 255) * WIDTH[level]!
  }

  #link(node: number, deadline: number): void {
    const slot = this.#slotOf(deadline)
    const i32 = this.#i32
    const base = node * this.#stride
    let after = this.#tails[slot]!
    if (slot < 256 || slot === LATE) after = this.#placeAfter(slot, after, node, deadline)
    else if (slot === this.#knownSlot && deadline < this.#knownLeast) this.#knownLeast = deadline
    let next: number
    if (after === 0) {
      next = this.#heads[slot]!
      this.#heads[slot] = node
    } else {
      next = i32[after * this.#stride + this.#next]!
      i32[after * this.#stride + this.#next] = node
    }
    if (next === 0) this.#tails[slot] = node
    else i32[next * this.#stride + this.#previous] = node
    i32[base + this.#next] = next
    i32[base + this.#previous] = after
    if (slot === LATE) this.#late++
    else this.#occupied[slot >> 5]! |= 1 << (slot & 31)
  }

  /** The node of an ordered list that `node` comes after, or 0. Almost always the last; after a rollback the first. */
  #placeAfter(slot: number, tail: number, node: number, deadline: number): number {
    if (tail === 0) return 0
    const sequence = this.sequenceOf(node)
    if (this.#isBefore(deadline, sequence, this.#heads[slot]!)) return 0
    let after = tail
    while (this.#isBefore(deadline, sequence, after)) after = this.#i32[after * this.#stride + this.#previous]!
    return after
  }

  #isBefore(deadline: number, sequence: number, node: number): boolean {
    const other = this.deadlineOf(node)
    return deadline < other || (deadline === other && ((sequence - this.sequenceOf(node)) | 0) < 0)
  }

  /** Deals the nodes of the slot that the position has just entered to lower levels. */
  #deal(slot: number): void {
    let node = this.#heads[slot]!
    this.#heads[slot] = 0
    this.#tails[slot] = 0
    this.#occupied[slot >> 5]! &= ~(1 << (slot & 31))
    if (slot === this.#knownSlot) this.#knownSlot = -1
    while (node !== 0) {
      const next = this.#i32[node * this.#stride + this.#next]!
      this.#link(node, this.deadlineOf(node))
      node = next
    }
  }

  /** Moves the position back: every node is hung anew. */
  #rebase(position: number): void {
    const nodes = new Int32Array(this.#count)
    let count = 0
    for (let slot = 0; slot <= LATE; slot++) {
      for (let node = this.#heads[slot]!; node !== 0; node = this.#i32[node * this.#stride + this.#next]!) {
        nodes[count++] = node
      }
    }
    this.#heads.fill(0)
    this.#tails.fill(0)
    this.#occupied.fill(0)
    this.#late = 0
    this.#knownSlot = -1
    this.#position = Math.max(0, position)
    for (const node of nodes) this.#link(node, this.deadlineOf(node))
  }
}
