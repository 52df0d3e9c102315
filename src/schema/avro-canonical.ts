/** Avro's Parsing Canonical Form and the fingerprints of it (specification 1.12, "Schema Resolution" and after). */
import { createHash } from 'node:crypto'
import type { AvroType } from './avro-type.ts'

/** The schema with all that does not change how bytes are read taken away. */
export function canonicalForm(type: AvroType, named: Set<string> = new Set()): string {
  switch (type.kind) {
    case 'bigint':
      return '"long"'
    case 'array':
      return `{"type":"array","items":${canonicalForm(type.items, named)}}`
    case 'map':
      return `{"type":"map","values":${canonicalForm(type.values, named)}}`
    case 'union':
      return `[${type.branches.map(branch => canonicalForm(branch, named)).join(',')}]`
    case 'record':
    case 'enum':
    case 'fixed':
      break
    default:
      return `"${type.kind}"`
  }
  const name = JSON.stringify(type.name)
  if (named.has(type.name)) return name
  named.add(type.name)
  if (type.kind === 'enum') return `{"name":${name},"type":"enum","symbols":${JSON.stringify(type.symbols)}}`
  if (type.kind === 'fixed') return `{"name":${name},"type":"fixed","size":${type.size}}`
  const fields = type.fields.map(field => `{"name":"${field.name}","type":${canonicalForm(field.type, named)}}`)
  return `{"name":${name},"type":"record","fields":[${fields.join(',')}]}`
}

/** CRC-64-AVRO (Rabin) of the canonical form: 64 bits, unsigned. */
export function fingerprint64(type: AvroType): bigint {
  // The fingerprint of nothing; its two halves as unsigned 32-bit numbers.
  const emptyHigh = 0xc15d213a
  const emptyLow = 0xa4d7a795
  let high = emptyHigh
  let low = emptyLow
  for (const byte of Buffer.from(canonicalForm(type))) {
    low ^= byte
    for (let bit = 0; bit < 8; bit++) {
      const odd = low & 1
      low = (low >>> 1) | (high << 31)
      high >>>= 1
      if (odd === 1) {
        low ^= emptyLow
        high ^= emptyHigh
      }
    }
  }
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
}

/** SHA-256 of the canonical form, as 64 hexadecimal digits. */
export function fingerprintSha256(type: AvroType): string {
  return createHash('sha256').update(canonicalForm(type)).digest('hex')
}
