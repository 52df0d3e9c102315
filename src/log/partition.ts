/** The state of one partition as the engine keeps it in memory, and as it lies in the store. */

/** Bytes of a stored state. */
const STATE_BYTES = 64

export class PartitionState {
  readonly id: number
  readonly topic: string
  readonly index: number

  /** Offset of the oldest record that may be read. */
  start = 0
  /** Offset of the next record. */
  end = 0
  /** Bytes of the batches that are in the store. */
  bytes = 0
  /** Base offset of the first batch in the store: at most `start`; `end` when there is none. */
  floor = 0
  /** The newest timestamp there ever was. */
  newest = 0
  /** Bytes appended since the last entry of the time index. */
  sinceIndexed = 0
  /** Compaction: no record from here on makes one before it obsolete, as far as was looked. */
  cleaned = 0
  /** Bytes of the batches before `cleaned`, as they were left. */
  cleanBytes = 0
  /** Bytes deleted since the time index was cleaned; not stored. */
  sinceCleaned = 0

  // What is known of the batch at the floor; `floorEnd` 0: nothing.
  floorEnd = 0
  floorBytes = 0
  floorNewest = 0
  #encoded: Buffer | null = null

  constructor(id: number, topic: string, index: number) {
    this.id = id
    this.topic = topic
    this.index = index
  }

  copyFrom(other: PartitionState): void {
    this.start = other.start
    this.end = other.end
    this.bytes = other.bytes
    this.floor = other.floor
    this.newest = other.newest
    this.sinceIndexed = other.sinceIndexed
    this.cleaned = other.cleaned
    this.cleanBytes = other.cleanBytes
    this.sinceCleaned = other.sinceCleaned
    this.floorEnd = other.floorEnd
    this.floorBytes = other.floorBytes
    this.floorNewest = other.floorNewest
  }

  clone(): PartitionState {
    const copy = new PartitionState(this.id, this.topic, this.index)
    copy.copyFrom(this)
    return copy
  }

  /** As it is stored; valid until the next call. One buffer a partition: memory of its own each time costs the collector. */
  encode(): Buffer {
    this.#encoded ??= Buffer.allocUnsafeSlow(STATE_BYTES).fill(0)
    const bytes = this.#encoded
    bytes.writeDoubleBE(this.start, 0)
    bytes.writeDoubleBE(this.end, 8)
    bytes.writeDoubleBE(this.bytes, 16)
    bytes.writeDoubleBE(this.floor, 24)
    bytes.writeDoubleBE(this.newest, 32)
    bytes.writeDoubleBE(this.sinceIndexed, 40)
    bytes.writeDoubleBE(this.cleaned, 48)
    bytes.writeDoubleBE(this.cleanBytes, 56)
    return bytes
  }

  decode(bytes: Buffer): void {
    this.start = bytes.readDoubleBE(0)
    this.end = bytes.readDoubleBE(8)
    this.bytes = bytes.readDoubleBE(16)
    this.floor = bytes.readDoubleBE(24)
    this.newest = bytes.readDoubleBE(32)
    this.sinceIndexed = bytes.readDoubleBE(40)
    this.cleaned = bytes.readDoubleBE(48)
    this.cleanBytes = bytes.readDoubleBE(56)
  }
}
