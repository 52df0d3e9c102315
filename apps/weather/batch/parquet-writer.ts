/** The result as Parquet: city (string), ts (timestamp, microseconds, UTC), heat_index and rolling_heat_index (doubles). */
import type { ByteOutput } from './byte-output.ts'
import { BLOCK_ROWS, type RowSink } from './readings.ts'

type Package = typeof import('hyparquet-writer')

/** Rows of a row group, what is held in memory at a time. */
const GROUP_ROWS = 16 * BLOCK_ROWS
const TEXT = new TextDecoder()

export class ParquetRows implements RowSink {
  readonly #output: ByteOutput
  readonly #bytes: InstanceType<Package['ByteWriter']>
  readonly #writer: InstanceType<Package['ParquetWriter']>
  #city = ''
  #cities: string[] = []
  #times: bigint[] = []
  #heatIndexes: (number | null)[] = []
  #rolling: (number | null)[] = []

  private constructor(output: ByteOutput, { ByteWriter, ParquetWriter }: Package) {
    this.#output = output
    this.#bytes = new ByteWriter()
    this.#writer = new ParquetWriter({
      writer: this.#bytes,
      createdBy: 'aldebaran',
      schema: [
        { name: 'root', num_children: 4 },
        { name: 'city', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
        {
          name: 'ts',
          type: 'INT64',
          converted_type: 'TIMESTAMP_MICROS',
          logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
          repetition_type: 'REQUIRED',
        },
        { name: 'heat_index', type: 'DOUBLE', repetition_type: 'OPTIONAL' },
        { name: 'rolling_heat_index', type: 'DOUBLE', repetition_type: 'OPTIONAL' },
      ],
    })
  }

  /** @throws AldebaranError PACKAGE_MISSING */
  static async open(output: ByteOutput): Promise<ParquetRows> {
    let loaded: Package
    try {
      loaded = await import('hyparquet-writer')
    } catch {
      const { AldebaranError } = await import('aldebaran')
      const message = 'Parquet needs hyparquet-writer: npm install hyparquet-writer@0.17'
      throw new AldebaranError('PACKAGE_MISSING', message, { package: 'hyparquet-writer' })
    }
    return new ParquetRows(output, loaded)
  }

  begin(city: Uint8Array): void {
    this.#city = TEXT.decode(city)
  }

  row(time: number, heatIndex: number, rolling: number): void {
    this.#cities.push(this.#city)
    this.#times.push(BigInt(time))
    this.#heatIndexes.push(nullable(heatIndex))
    this.#rolling.push(nullable(rolling))
  }

  async flush(): Promise<void> {
    if (this.#cities.length >= GROUP_ROWS) await this.#writeGroup()
  }

  async finish(): Promise<void> {
    if (this.#cities.length > 0) await this.#writeGroup()
    await this.#writer.finish()
    await this.#writeBytes()
  }

  async #writeGroup(): Promise<void> {
    const columnData = [
      { name: 'city', data: this.#cities },
      { name: 'ts', data: this.#times },
      { name: 'heat_index', data: this.#heatIndexes },
      { name: 'rolling_heat_index', data: this.#rolling },
    ]
    await this.#writer.write({ columnData, rowGroupSize: this.#cities.length })
    this.#cities = []
    this.#times = []
    this.#heatIndexes = []
    this.#rolling = []
    await this.#writeBytes()
  }

  /** The writer counts what it wrote in all by itself; its buffer may be emptied between row groups. */
  async #writeBytes(): Promise<void> {
    await this.#output.write(this.#bytes.getBytes())
    this.#bytes.index = 0
  }
}

function nullable(value: number): number | null {
  return Number.isNaN(value) ? null : value
}
