/**
 * Every error Aldebaran raises on purpose: its code, its fate and the remedy told to the user.
 *
 * The fate says what the runtime does with it:
 * - `retry`: the same call may succeed later, nothing was changed;
 * - `terminal`: the same call will fail again; the caller must change something;
 * - `fenced`: someone else owns what we were writing to; stop and start again from the log;
 * - `corrupted`: stored bytes are not what was written; never guess, stop.
 */
export type Fate = 'retry' | 'terminal' | 'fenced' | 'corrupted'

/** code → [fate, remedy]. One line each, sorted by area. */
// biome-ignore format: a table, one line each
export const ERROR_CODES = {
  // record
  BATCH_CORRUPT: ['corrupted', 'The bytes are damaged: restore the store from a copy, or trim the partition past this offset.'],
  BATCH_UNSUPPORTED: ['terminal', 'Only RecordBatch v2 (magic 2) is read: have the producer write it.'],
  BATCH_TOO_LARGE: ['terminal', 'Send smaller records: with key and headers one has up to 4,128,768 bytes, a batch up to 4 MiB.'],
  // schema
  SCHEMA_INVALID: ['terminal', 'Correct the schema definition.'],
  SCHEMA_INCOMPATIBLE: ['terminal', 'Give new fields a default, keep removed ones readable, or use a new name.'],
  VALUE_UNDECODABLE: ['terminal', 'The bytes do not fit the schema: fix the producer, then replay the dead letter.'],
  TIMESTAMP_AHEAD: ['terminal', 'Correct the clock of the sender, or give the source a larger maxAhead; then replay the dead letter.'],
  LATE_RECORD: ['terminal', 'Read the `late` stream of the window or join, or allow more lateness; then replay the dead letter.'],
  VALUE_INVALID: ['terminal', 'Correct what the message names: a value has to fit the schema of its topic, a body the fields of its route.'],
  LINE_INVALID: ['terminal', 'Correct the line of the file; bad ones below the header are left out with --skip-bad.'],
  SCHEMA_PENDING: ['retry', 'The schema is being fetched from the registry: tasks try again by themselves, and others may a moment later.'],
  REGISTRY_UNREACHABLE: ['retry', 'Check that the schema registry runs, and that its address and credentials are right.'],
  REGISTRY_REFUSED: ['terminal', 'The schema registry refused it: correct what the message names.'],
  // log
  STORE_LOCKED: ['retry', 'Another process has this store open for writing: stop it, or use another folder.'],
  STORE_FOREIGN: ['terminal', 'This folder holds something that is not an Aldebaran store: choose an empty folder.'],
  STORE_NEWER: ['terminal', 'This store was written by a newer version: upgrade Aldebaran.'],
  STORE_DAMAGED: ['corrupted', 'The store cannot be read: restore it from a copy.'],
  STORE_FULL: ['retry', 'The store reached its byte budget: raise maxBytes, or shorten the retention of the topics.'],
  STORE_UNWRITABLE: ['terminal', 'Give this user the right to write to the folder.'],
  DISK_FULL: ['retry', 'The disk is full: free space; work goes on by itself.'],
  TOPIC_UNKNOWN: ['terminal', 'Create the topic, or correct its name.'],
  TOPIC_EXISTS: ['terminal', 'The topic exists with another number of partitions: use that number or another name.'],
  TOPIC_INVALID: ['terminal', 'A topic name has 1 to 249 of the characters a-z A-Z 0-9 . _ -, and 1 to 10000 partitions.'],
  PARTITION_UNKNOWN: ['terminal', 'The topic has fewer partitions.'],
  OFFSET_OUT_OF_RANGE: ['terminal', 'The offset was trimmed or not written yet: read from earliest or latest.'],
  LOG_READ_ONLY: ['terminal', 'Open the log without readOnly, in the process that owns the store.'],
  LOG_CLOSED: ['terminal', 'The log was closed.'],
  LOG_STOPPED: ['retry', 'The log thread ended: see the log for its error; the application starts again from the last commit.'],
  // kafka
  KAFKA_UNREACHABLE: ['retry', 'Check that the brokers run and that their advertised addresses can be reached from here.'],
  KAFKA_AUTHENTICATION: ['terminal', 'Correct the TLS or SASL settings that the message speaks of: here, at the broker or at the identity provider.'],
  KAFKA_DENIED: ['terminal', 'Give this user the right that the message names.'],
  KAFKA_UNSUPPORTED: ['terminal', 'Use a broker of Kafka 3.0 or newer.'],
  KAFKA_PROTOCOL: ['retry', 'What answered does not speak the protocol of Kafka as expected: check the address and the port.'],
  KAFKA_REFUSED: ['terminal', 'Kafka refused the request: correct what the message names.'],
  COMMIT_UNKNOWN: ['retry', 'Kafka did not say whether the unit was committed: the tasks start again from what the log says.'],
  FENCED: ['fenced', 'Another process took the tasks over: this one starts again with those that are its own.'],
  // pipeline
  NAME_INVALID: ['terminal', 'A name has 1 to 100 of the characters a-z A-Z 0-9 _ - and begins with a letter.'],
  NAME_TAKEN: ['terminal', 'Two parts of a pipeline have one name: rename one of them.'],
  PARTITIONS_DIFFER: ['terminal', 'Topics read together need equal partition counts: recreate one, or repartition it with keyBy.'],
  KEYS_DIFFER: ['terminal', 'What meets in a table or a join is keyed by two schemas: use keyBy with one key schema for all of it.'],
  PIPELINE_INVALID: ['terminal', 'Correct the pipeline as the message says.'],
  // state
  TABLE_UNKNOWN: ['terminal', 'Correct the name of the table.'],
  TABLE_FULL: ['retry', 'The table reached maxRows: raise it, or delete rows sooner with a timer.'],
  MEMORY_BUDGET: ['retry', 'The memory budget is used up: raise memory, use a disk table, or delete rows sooner.'],
  TABLE_STORE_LOST: ['retry', 'Nothing is lost: the table is read again from its changelog. When it comes back, check the disk.'],
  // runtime
  OPTION_INVALID: ['terminal', 'Correct the option as the message says.'],
  HANDLER_THREW: ['terminal', 'The handler threw: fix it, then replay the dead letter.'],
  PACKAGE_MISSING: ['terminal', 'Install the package that the message names, beside aldebaran.'],
  DELIVERY_FAILED: ['terminal', 'It was given up: see why in the message, see to the destination, then replay the dead letter; it goes to no other.'],
  WORKER_DIED: ['retry', 'A worker thread ended: its tasks start again from the last commit.'],
  // sending
  ADDRESS_REFUSED: ['terminal', 'Use a public address by https on port 443 or 8443, or let the settings allow this one: for the webhook notifier WEBHOOKS_ALLOW, WEBHOOKS_ALLOW_HTTP, WEBHOOKS_PORTS or WEBHOOKS_TRUSTED.'],
  HEADER_INVALID: ['terminal', 'Correct the header that the message names.'],
  SECRET_INVALID: ['terminal', 'Use a secret as it was made: whsec_ or whsk_, then base64.'],
  LOOKUP_FAILED: ['retry', 'Look to what is asked there, as the message says: nothing of a failure is remembered, and the next call asks again.'],
  // postgresql
  POSTGRES_UNAVAILABLE: ['retry', 'Check that PostgreSQL runs, can be reached from here and is not held up: it is tried again by itself.'],
  POSTGRES_REFUSED: ['terminal', 'Correct what the message names: the address, the user and its password, its rights, or the table.'],
  // http
  UNAUTHORIZED: ['terminal', 'Send the header Authorization: Bearer TOKEN.'],
  CREDENTIALS_NEEDED: ['terminal', 'Other machines can reach it: set ALDEBARAN_TOKENS for HTTP, ALDEBARAN_PEER_SECRET for nodes, or listen on 127.0.0.1.'],
  BODY_INVALID: ['terminal', 'Send a body in the format the Content-Type names.'],
  NOT_FOUND: ['terminal', 'Correct the path or the name.'],
  BUSY: ['retry', 'Try again a little later: over HTTP after the time in Retry-After.'],
  BODY_TOO_LARGE: ['terminal', 'Send several smaller bodies, ask for fewer rows at a time, or raise bodyLimit.'],
  CONTENT_TYPE_UNKNOWN: ['terminal', 'Send a Content-Type that the route takes, without Content-Encoding.'],
  HOST_REFUSED: ['terminal', 'Use http://localhost or http://127.0.0.1, and no page of another site.'],
  TOPIC_INTERNAL: ['terminal', 'The runtime alone writes to this topic: send to a topic of your own.'],
  NOT_REPLAYABLE: ['terminal', 'Fix the cause; what cannot be replayed can only be purged.'],
  INTERNAL: ['terminal', 'This is a defect: the log of the process has the stack.'],
  // cli
  SERVER_UNREACHABLE: ['retry', 'Start it with aldebaran up, or name its address with --url.'],
  SERVER_FOREIGN: ['terminal', 'Something else listens there: name the address of Aldebaran with --url.'],
  APPLICATION_OTHER: ['terminal', 'Another application runs there: name the address of the one that the command is for with --url.'],
  CHECKOUT_ONLY: ['terminal', 'This is not part of the published package: run it in a clone of the repository.'],
} as const satisfies Record<string, readonly [Fate, string]>

export type ErrorCode = keyof typeof ERROR_CODES

export class AldebaranError extends Error {
  readonly code: ErrorCode
  readonly fate: Fate
  readonly remedy: string
  /** What the message speaks of, for machines: topic, partition, offset, path, position … */
  readonly details: Readonly<Record<string, string | number | boolean | null>>

  constructor(
    code: ErrorCode,
    message: string,
    details: Readonly<Record<string, string | number | boolean | null>> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'AldebaranError'
    this.code = code
    this.fate = ERROR_CODES[code][0]
    this.remedy = ERROR_CODES[code][1]
    this.details = details
  }

  toJSON(): Record<string, unknown> {
    return { code: this.code, message: this.message, remedy: this.remedy, ...this.details }
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  // Handlers throw what they like: also what has no text, or fails when it is asked for it.
  try {
    return String(error instanceof Error ? error.message : error)
  } catch {
    return `something of type ${typeof error} without a text was thrown`
  }
}
