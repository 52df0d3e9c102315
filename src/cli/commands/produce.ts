import { createReadStream, statSync } from 'node:fs'
import { extname } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import type { Ingested } from '../api-shapes.ts'
import { avroFileBlocks, isAvroFile } from '../avro-file.ts'
import { Interrupted, UsageError } from '../failure.ts'
import { csvRecords, type InputRecord, jsonRecords, ndjsonRecords } from '../input-records.ts'
import type { Session } from '../session.ts'
import { countText } from '../show-values.ts'

interface ProduceOptions {
  key?: string
  format?: Format
}

type Format = 'json' | 'ndjson' | 'csv' | 'avro'

const FORMATS: readonly Format[] = ['json', 'ndjson', 'csv', 'avro']
const EXTENSIONS: Readonly<Record<string, Format>> = {
  '.json': 'json',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.csv': 'csv',
  '.avro': 'avro',
}
/** A request is sent when it has so many characters or records: few enough that a failure leaves little in doubt. */
const REQUEST_CHARACTERS = 512 * 1024
const REQUEST_RECORDS = 10_000
const REFUSALS_TOLD = 20
const PROGRESS_MS = 200

export function define(command: Command, session: Session): void {
  command
    .argument('<topic>')
    .argument('[file]', "records to send; '-': standard input", '-')
    .option('--key <key>', 'the key of every record (default: what the record or the topic says)')
    .addOption(
      new Option('--format <format>', 'how the input is written (default: by the extension, else ndjson)').choices(
        FORMATS,
      ),
    )
    .action((topic: string, file: string, options: ProduceOptions) => produce(session, topic, file, options))
}

async function produce(session: Session, topic: string, file: string, options: ProduceOptions): Promise<void> {
  const { stdin } = session.surroundings
  if (file === '-' && stdin.isTTY === true) throw new UsageError('name a file, or send records to standard input')
  const format = options.format ?? EXTENSIONS[extname(file)] ?? (file === '-' ? 'ndjson' : undefined)
  if (format === undefined) throw new UsageError(`the extension of ${file} names no format: say --format`)
  // An error of the path is to be told as such, not by the stream.
  if (file !== '-') statSync(file)
  const input = await buffer(file === '-' ? stdin : createReadStream(file))
  const sender = new Sender(session, `/topics/${encodeURIComponent(topic)}/records`, options.key)
  if (format === 'avro' && !isAvroFile(input)) await sender.one(input)
  else if (format === 'csv') {
    const { header, rows } = csvRecords(textOf(input))
    await sender.all(rows, 'text/csv', header)
  } else await sender.all(recordsOf(format, input), 'application/x-ndjson', null)
  sender.finish()
}

function* recordsOf(format: Exclude<Format, 'csv'>, input: Buffer): Generator<InputRecord> {
  if (format === 'json') yield* jsonRecords(textOf(input))
  else if (format === 'ndjson') yield* ndjsonRecords(textOf(input))
  else {
    let number = 0
    for (const block of avroFileBlocks(input)) {
      for (const value of block) yield { text: JSON.stringify(value), line: ++number }
    }
  }
}

function textOf(input: Buffer): string {
  return input.toString('utf8').replace(/^\ufeff/, '')
}

/** Sends records in requests, one after the other, so that their order is kept. */
class Sender {
  readonly #session: Session
  readonly #path: string
  readonly #key: string | undefined
  #accepted = 0
  #rejected = 0
  #told = 0
  #progressAt = 0
  readonly #started = performance.now()

  constructor(session: Session, path: string, key: string | undefined) {
    this.#session = session
    this.#path = path
    this.#key = key
  }

  /** @param header is put before each request */
  async all(records: Iterable<InputRecord>, contentType: string, header: string | null): Promise<void> {
    let batch: InputRecord[] = []
    let characters = 0
    for (const record of records) {
      batch.push(record)
      characters += record.text.length
      if (characters < REQUEST_CHARACTERS && batch.length < REQUEST_RECORDS) continue
      await this.#send(batch, contentType, header)
      batch = []
      characters = 0
    }
    if (batch.length > 0) await this.#send(batch, contentType, header)
  }

  /** One value in the bytes of its schema. */
  async one(value: Buffer): Promise<void> {
    await this.#post(Uint8Array.from(value), 'application/avro-binary', [{ text: '', line: 1 }])
  }

  finish(): void {
    const { out } = this.#session
    out.progress('')
    if (this.#rejected > 0) this.#session.exitCode = 1
    if (out.json) {
      out.value({ accepted: this.#accepted, rejected: this.#rejected })
      return
    }
    const refused = this.#rejected === 0 ? '' : `, ${countText(this.#rejected)} refused`
    out.text(`${countText(this.#accepted)} accepted${refused}`)
  }

  async #send(batch: readonly InputRecord[], contentType: string, header: string | null): Promise<void> {
    const lines = batch.map(record => record.text)
    if (header !== null) lines.unshift(header)
    await this.#post(`${lines.join('\n')}\n`, contentType, batch)
  }

  async #post(
    body: string | Uint8Array<ArrayBuffer>,
    contentType: string,
    batch: readonly InputRecord[],
  ): Promise<void> {
    const { api, out, signal } = this.#session
    if (signal.aborted) throw new Interrupted()
    const answer = await api.post<Ingested>(this.#path, { key: this.#key }, body, contentType)
    this.#accepted += answer.accepted
    this.#rejected += answer.rejected
    for (const { index, code, message } of answer.errors ?? []) {
      if (++this.#told > REFUSALS_TOLD) break
      const line = batch[index]?.line
      if (out.json) out.value({ line, code, message })
      else out.note(`line ${line}: ${message} (${code})`)
    }
    const now = performance.now()
    if (now - this.#progressAt < PROGRESS_MS) return
    this.#progressAt = now
    const rate = Math.round(this.#accepted / ((now - this.#started) / 1000))
    out.progress(`${countText(this.#accepted)} accepted, ${countText(rate)}/s`)
  }
}
