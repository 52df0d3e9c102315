import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import {
  checkClock,
  checkDisk,
  checkMemory,
  checkNativeModules,
  checkNode,
  checkPort,
  type Finding,
} from '../checks.ts'
import { givenLog, LOG_HELP } from '../log-option.ts'
import type { Session } from '../session.ts'
import { sizeText } from '../show-values.ts'
import { plain } from '../text-table.ts'

interface DoctorOptions {
  data: string
  deep?: boolean
  log?: string
  write?: boolean
}

/** Progress is told after each of so many. */
const PROGRESS_BYTES = 16 * 1024 * 1024

export function define(command: Command, session: Session): void {
  command
    .option('--data <folder>', 'a store, or a folder of stores', './data')
    .option('--deep', 'read every batch and check it')
    .option('--log <location>', `check that too: ${LOG_HELP}`)
    .option('--write', 'with --log of Kafka: make a topic, write to it and delete it, to compare clocks and rights')
    .action((options: DoctorOptions) => doctor(session, options))
}

async function doctor(session: Session, options: DoctorOptions): Promise<void> {
  const { out } = session
  const log = givenLog(options.log, session.surroundings.env)
  const folder = resolve(log?.kind === 'embedded' ? log.path : options.data)
  let problems = 0
  const tell = (finding: Finding): void => {
    if (!finding.ok) problems++
    print(session, finding)
  }
  tell(checkNode(process.versions.node))
  const native = await checkNativeModules()
  tell(native)
  tell(checkMemory())
  const { finding, serverNow } = await checkPort(session.api)
  tell(checkClock(Date.now(), serverNow))
  tell(finding)
  tell(checkDisk(existing(folder)))
  // Without its native modules a store cannot be looked at.
  if (native.ok) {
    const { checkStore, storesIn } = await import('../store-check.ts')
    const stores = storesIn(folder)
    if (stores.length === 0) tell({ check: 'store', ok: true, found: `none in ${folder} yet` })
    for (const store of stores) {
      let told = 0
      const progress = (bytes: number): void => {
        if (bytes - told < PROGRESS_BYTES) return
        told = bytes
        out.progress(`reading ${store}: ${sizeText(bytes)}`)
      }
      const findings = await checkStore(store, options.deep === true, progress)
      out.progress('')
      for (const one of findings) tell(one)
    }
  }
  if (log?.kind === 'kafka') {
    const { checkKafka } = await import('../kafka-check.ts')
    for (const one of await checkKafka(log, options.write === true)) tell(one)
  }
  if (problems > 0) session.exitCode = 1
  if (!out.json) out.text(problems === 0 ? 'All is well.' : `${problems} ${problems === 1 ? 'problem' : 'problems'}.`)
}

function print({ out }: Session, finding: Finding): void {
  if (out.json) {
    out.value(finding)
    return
  }
  const { check, ok, found, remedy } = finding
  out.text(`${ok ? out.style('green', '✓') : out.style('red', '✗')} ${plain(check)}: ${plain(found)}`)
  if (remedy !== undefined) out.text(`  ${remedy}`)
}

/** The folder, or the nearest one above it that exists. */
function existing(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : existing(dirname(folder))
}
