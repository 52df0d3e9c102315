/** What a receiver took: which events, how often, and how late, in little memory. */

/** Below it every microsecond has a bucket; above, each power of two has PARTS. */
const EXACT = 128
const PARTS = 64
const LARGEST_US = 2 ** 31 - 1
const BUCKETS = EXACT + (31 - 7) * PARTS

/** Times in ms, each told a 64th too high at most; longer than 35 minutes counts as that. */
export class Histogram {
  readonly counts: Uint32Array
  count = 0
  max = 0

  constructor(counts: Uint32Array = new Uint32Array(BUCKETS)) {
    this.counts = counts
  }

  add(ms: number): void {
    const us = Math.min(LARGEST_US, Math.max(0, Math.round(ms * 1000)))
    const bucket = bucketOf(us)
    this.counts[bucket] = this.counts[bucket]! + 1
    this.count++
    if (ms > this.max) this.max = ms
  }

  merge({ counts, count, max }: HistogramCounts): void {
    for (let i = 0; i < BUCKETS; i++) this.counts[i] = this.counts[i]! + counts[i]!
    this.count += count
    this.max = Math.max(this.max, max)
  }

  /** By nearest rank: no smaller share of the times is up to this, ms. 0 when there are none. */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.count))
    let seen = 0
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.counts[i]!
      if (seen >= rank) return Math.min(this.max, endOf(i) / 1000)
    }
    return 0
  }

  clear(): void {
    this.counts.fill(0)
    this.count = 0
    this.max = 0
  }
}

export type HistogramCounts = Pick<Histogram, 'counts' | 'count' | 'max'>

function bucketOf(us: number): number {
  if (us < EXACT) return us
  const exponent = 31 - Math.clz32(us)
  return EXACT + (exponent - 7) * PARTS + ((us >>> (exponent - 6)) - PARTS)
}

/** The largest time of the bucket, µs. */
function endOf(bucket: number): number {
  if (bucket < EXACT) return bucket
  const above = bucket - EXACT
  const shift = Math.floor(above / PARTS) + 1
  return ((above % PARTS) + PARTS + 1) * 2 ** shift - 1
}

/** Numbers from 0, a bit for each. */
export class NumberSet {
  bits: Uint8Array
  size = 0

  constructor(bits: Uint8Array = new Uint8Array(64)) {
    this.bits = bits
    for (const byte of bits) this.size += bitsOf(byte)
  }

  /** False: it was there already. */
  add(number: number): boolean {
    const at = number >>> 3
    if (at >= this.bits.length) {
      const larger = new Uint8Array(Math.max(at + 1, this.bits.length * 2))
      larger.set(this.bits)
      this.bits = larger
    }
    const bit = 1 << (number & 7)
    if ((this.bits[at]! & bit) !== 0) return false
    this.bits[at] = this.bits[at]! | bit
    this.size++
    return true
  }

  has(number: number): boolean {
    return ((this.bits[number >>> 3] ?? 0) & (1 << (number & 7))) !== 0
  }
}

function bitsOf(byte: number): number {
  let count = 0
  for (let left = byte; left > 0; left &= left - 1) count++
  return count
}

/** What became of events 0 to `count` − 1, of which `isMeant` says whether they were sent at all. */
export interface Account {
  meant: number
  delivered: number
  dead: number
  /** Neither delivered nor a dead letter; and both. */
  missing: number
  both: number
  /** Delivered or dead, and never sent. */
  unexpected: number
  samples: string[]
}

const SAMPLES = 5

export function accountFor(
  count: number,
  isMeant: (number: number) => boolean,
  isDelivered: (number: number) => boolean,
  isDead: (number: number) => boolean,
): Account {
  const account: Account = { meant: 0, delivered: 0, dead: 0, missing: 0, both: 0, unexpected: 0, samples: [] }
  const note = (what: string, number: number): void => {
    if (account.samples.length < SAMPLES) account.samples.push(`${what} ${number}`)
  }
  for (let number = 0; number < count; number++) {
    const [delivered, dead] = [isDelivered(number), isDead(number)]
    if (!isMeant(number)) {
      if (!delivered && !dead) continue
      account.unexpected++
      note('unexpected', number)
      continue
    }
    account.meant++
    if (delivered) account.delivered++
    if (dead) account.dead++
    if (delivered && dead) {
      account.both++
      note('both', number)
    } else if (!delivered && !dead) {
      account.missing++
      note('missing', number)
    }
  }
  return account
}
