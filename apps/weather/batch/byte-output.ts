/** Where bytes of a result go. */
export interface ByteOutput {
  /** What was written can be taken back. */
  readonly revocable: boolean
  /** The bytes are the caller's again when it resolves. */
  write(bytes: Uint8Array): Promise<void>
  /** Takes everything back. */
  restart(): Promise<void>
  /** All is written. */
  finish(): Promise<void>
  /** Without `finish`: nothing is left behind. */
  close(): Promise<void>
}
