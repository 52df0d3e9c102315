/** Kills the auditor with SIGKILL under load, many times: nothing lost, nothing twice, and how long a restart takes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCorrect } from './crash-check.ts'
import { crashRun } from './crash-run.ts'
import { parseOptions, percentiles, result } from './measure.ts'

const OPTIONS = {
  kills: { kind: 'number', default: 200, min: 0 },
  workers: { kind: 'number', default: 2, min: 1, max: 4 },
  durability: { kind: 'text', default: 'process', choices: ['process', 'disk'] },
  seed: { kind: 'number', default: 1 },
} as const

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  const durability = options.durability === 'disk' ? 'disk' : 'process'
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-crash-'))
  try {
    const begun = performance.now()
    const { messages, verdict, restarts, early, restored } = await crashRun({ ...options, durability, folder })
    const { p50, max } = percentiles(Float64Array.from(restarts).sort())
    const { samples, lost, deadLetters, wrongBooks, ...alerts } = verdict
    result({
      bench: 'crash',
      engine: 'embedded',
      guarantee: `exactly-once, ${durability}`,
      workers: options.workers,
      n: messages,
      kills: options.kills,
      kills_while_starting: early,
      seconds: Number(((performance.now() - begun) / 1000).toFixed(1)),
      ...alerts,
      wrong_books: wrongBooks,
      lost,
      dead_letters: deadLetters,
      restored_records: restored,
      p50_restart_ms: Math.round(p50),
      longest_restart_ms: Math.round(max),
    })
    for (const sample of samples) process.stderr.write(`${sample}\n`)
    if (!isCorrect(verdict)) process.exitCode = 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
