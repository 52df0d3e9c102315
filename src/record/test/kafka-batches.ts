/**
 * Batches that Apache Kafka's own code wrote (kafka-clients 4.3.1, MemoryRecords and MemoryRecordsBuilder), base64.
 *
 * The first five hold the twelve records of `KAFKA_RECORDS`, base offset 1000, producer 4711, epoch 3, sequence 17,
 * transactional. The markers: offset 5000, at 1700000000123, coordinator epoch 9. `appendTime`: offset 7, two records
 * the broker stamped with 1700000000999.
 */
import type { PlainRecord } from './plain-batch.ts'

export const KAFKA_BATCHES = {
  none:
    'AAAAAAAAA+gAAAL1/////wKdT2pEABAAAAALAAABi8/laAAAAAGLz+VpwgAAAAAAABJnAAMAAAARAAAADBwAAAABEHZhbHVlLTAg' +
    'ABYAm++ZxYkEAgABAFAAt96zipMIBAprZXktMgAGCnRyYWNlBHQyCG5vbmUBDmdyw7bDn2UAWACsAgYKa2V5LTNAdmFsdWUtMyB2' +
    'YWx1ZS0zIHZhbHVlLTMgdmFsdWUtMyAAcADv7JnFiQQICmtleS00UHZhbHVlLTQgdmFsdWUtNCB2YWx1ZS00IHZhbHVlLTQgdmFs' +
    'dWUtNCAAdgCL3LOKkwgKAWB2YWx1ZS01IHZhbHVlLTUgdmFsdWUtNSB2YWx1ZS01IHZhbHVlLTUgdmFsdWUtNSAArgEA2AQMAHB2' +
    'YWx1ZS02IHZhbHVlLTYgdmFsdWUtNiB2YWx1ZS02IHZhbHVlLTYgdmFsdWUtNiB2YWx1ZS02IAYKdHJhY2UEdDYIbm9uZQEOZ3LD' +
    'tsOfZQAgAMPqmcWJBA4Ka2V5LTcBACAA39mzipMIEAprZXktOAAAugEAhAcSCmtleS05oAF2YWx1ZS05IHZhbHVlLTkgdmFsdWUt' +
    'OSB2YWx1ZS05IHZhbHVlLTkgdmFsdWUtOSB2YWx1ZS05IHZhbHVlLTkgdmFsdWUtOSB2YWx1ZS05IACQAgCX6JnFiQQUAcYBdmFs' +
    'dWUtMTAgdmFsdWUtMTAgdmFsdWUtMTAgdmFsdWUtMTAgdmFsdWUtMTAgdmFsdWUtMTAgdmFsdWUtMTAgdmFsdWUtMTAgdmFsdWUt' +
    'MTAgdmFsdWUtMTAgdmFsdWUtMTAgBgp0cmFjZQZ0MTAIbm9uZQEOZ3LDtsOfZQDwAQCz17OKkwgWANgBdmFsdWUtMTEgdmFsdWUt' +
    'MTEgdmFsdWUtMTEgdmFsdWUtMTEgdmFsdWUtMTEgdmFsdWUtMTEgdmFsdWUtMTEgdmFsdWUtMTEgdmFsdWUtMTEgdmFsdWUtMTEg' +
    'dmFsdWUtMTEgdmFsdWUtMTEgAA==',
  gzip:
    'AAAAAAAAA+gAAAEo/////wLOZkGBABEAAAALAAABi8/laAAAAAGLz+VpwgAAAAAAABJnAAMAAAARAAAADB+LCAAAAAAAAP+TYWBg' +
    'YBQoS8wpTdU1UGAQY5j9fubRThYmBkaGAIbt9zZ3TeZg4cpOrdQ1YmDjKilKTE5lKTHiyMvPS2XkSy86vO3w/FSGCIY1TGxgRcYO' +
    'EJOMFXDRDAUM79+AbOAAazAJgEiYKBCiGcoYuu+AnMPFmAARM1UglmZYx8hwg4WHoQAiYKZAKg33uhma1xUYDr8C+YYP7BtzRqDA' +
    '/ZsgVwqABSwYGHYxMrSwC4F5lgsYIQZaKlCLZpjAxDD9BcgFIozHoKYbGijQjgENCbYSQwO0oPjAyLD5OsjrYgw3YC4xVKADgwEA' +
    'a/tvC8QCAAA=',
  snappy:
    'AAAAAAAAA+gAAAFa/////wJ1seS8ABIAAAALAAABi8/laAAAAAGLz+VpwgAAAAAAABJnAAMAAAARAAAADIJTTkFQUFkAAAAAAQAA' +
    'AAEAAAEVxAXwSRwAAAABEHZhbHVlLTAgABYAm++ZxYkEAgABAFAAt96zipMIBAprZXktMgAGCnRyYWNlBHQyCG5vbmUBDmdyw7bD' +
    'n2UAWACsAgYKASUEM0AJSgQzIF4IABAAcADv7AFiHAgKa2V5LTRQCSkANA0xZggAEAB2AIvcAY8ICgFgCTQANQ00hggAIACuAQDY' +
    'BAwAcAk5ADYNOaYIABX7ADY6+wAMIADD6gHOAA4Fzhg3AQAgAN/ZAaYAEAURIDgAALoBAIQHEgUOCDmgAQmBBDkg/ggAEQgUAJAC' +
    'AJfoAYIIFAHGDV4EMTANX/4JAE4JAC0KDAZ0MTA6CwEQ8AEAs9cB+wgWANgRigAxEYr+CQBuCQAAAA==',
  lz4:
    'AAAAAAAAA+gAAAFU/////wJ2TNq3ABMAAAALAAABi8/laAAAAAGLz+VpwgAAAAAAABJnAAMAAAARAAAADAQiTRhgQIIUAQAA8Toc' +
    'AAAAARB2YWx1ZS0wIAAWAJvvmcWJBAIAAQBQALfes4qTCAQKa2V5LTIABgp0cmFjZQR0Mghub25lAQ5ncsO2w59lAFgArAIGJQAi' +
    'M0BKAC8zIAgABVAAcADv7GIAEQhWACI0UCkAEzQxAA8IAAdQAHYAi9yPADIKAWA0ABM1NAAPCAAPkgCuAQDYBAwAcDkAEzY5AA8I' +
    'ABcF+wAbNvsAQCAAw+rOABEOzgBwNwEAIADf2aYAERARAJE4AAC6AQCEBxIOADI5oAGBABM5gQAPCAAv0wCQAgCX6JnFiQQUAcZe' +
    'ACMxMF8ADwkAQQMKAUsGdDEwCwFQ8AEAs9f7ADQWANiKABQxigAPCQBFUC0xMSAAAAAAAA==',
  zstd:
    'AAAAAAAAA+gAAAFP/////wLJGs8KABQAAAALAAABi8/laAAAAAGLz+VpwgAAAAAAABJnAAMAAAARAAAADCi1L/0AWJQIADJMLzNQ' +
    'bZoDGESRjD/ztlf1gBGucgNfq/UjQfO39V2tx6UiZbNIQ/X89nt+Q3LXcdOxRRpxTabv7u7u7va8cnTaD3s+uRqL3tUePNDkrSQV' +
    'hygOIYSQMaAAgMS54z+gHJ0WZOTvbDA1eWtJ9ne5bB7QPGeNFyiw5Oi0IRPv3IKxuCZvNfl881dBqERQxhMeL7KNjMMwcdQ8aBwF' +
    'a3Ehw8Gk6BQrIjZIzdFpRTiOOR9q8taPxau/y4oQDpkOxf8JAikgQKMZbg5kgBzCEEmOsESSQxiRI7exiZQgdWqQDBxrDqFlvy7m' +
    'y2yW+SwzvsfFnKRpNCrI7uJfQBCeLz1cB8j3HbIFdw8xxRaNAW6KmKD2nwEBAAA=',
  abort:
    'AAAAAAAAE4gAAABC/////wLt60sdADAAAAAAAAABi8/laHsAAAGLz+VoewAAAAAAABJnAAP/////AAAAASAAAAAIAAAAAAwAAAAA' + 'AAkA',
  commit:
    'AAAAAAAAE4gAAABC/////wIZ1Z1VADAAAAAAAAABi8/laHsAAAGLz+VoewAAAAAAABJnAAP/////AAAAASAAAAAIAAAAAQwAAAAA' + 'AAkA',
  appendTime:
    'AAAAAAAAAAcAAABD/////wKW2VB1AAgAAAABAAABi8/laAAAAAGLz+Vr5///////////////////AAAAAhAAAAACawJ2ABAAAgIC' + 'awJ3AA==',
} as const

export const KAFKA_RECORDS: PlainRecord[] = [...Array(12)].map((_, index) => ({
  timestamp: BigInt(1_700_000_000_000 + index * 50 - (index % 3) * 70_000_000_000),
  offset: BigInt(1000 + index),
  key: index % 5 === 0 ? null : Buffer.from(index % 5 === 1 ? '' : `key-${index}`),
  value: index % 6 === 1 ? null : Buffer.from(index % 6 === 2 ? '' : `value-${index} `.repeat(index + 1)),
  headers:
    index % 4 === 2
      ? [
          { key: 'trace', value: Buffer.from(`t${index}`) },
          { key: 'none', value: null },
          { key: 'größe', value: Buffer.from('') },
        ]
      : [],
}))
