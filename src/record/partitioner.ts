/**
 * Kafka's default partitioner for records with a key, so that both engines and foreign producers put a key into one
 * and the same partition. The hash is MurmurHash2 (32 bits, Austin Appleby, public domain) with Kafka's seed.
 */
const SEED = 0x9747b28c | 0
const MULTIPLIER = 0x5bd1e995

/** The hash of `bytes[start, end)`, a signed int32. */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  const wholeWords = start + (length & ~3)
  let hash = SEED ^ length
  for (let at = start; at < wholeWords; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    word = Math.imul(word, MULTIPLIER)
    word ^= word >>> 24
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER)
  }
  const left = length & 3
  if (left > 0) {
    if (left === 3) hash ^= bytes[wholeWords + 2]! << 16
    if (left >= 2) hash ^= bytes[wholeWords + 1]! << 8
    hash = Math.imul(hash ^ bytes[wholeWords]!, MULTIPLIER)
  }
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER)
  return hash ^ (hash >>> 15)
}

/** The partition, 0 to `partitions` - 1, of the key `bytes[start, end)`. */
export function partitionOf(bytes: Uint8Array, start: number, end: number, partitions: number): number {
  return (murmur2(bytes, start, end) & 0x7fff_ffff) % partitions
}
