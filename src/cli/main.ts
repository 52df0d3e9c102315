import { enableCompileCache } from 'node:module'

// Before anything large is loaded: with it the sources are stripped and compiled once, not at every start.
enableCompileCache()
const { runCommandLine } = await import('./program.ts')
process.exitCode = await runCommandLine(process.argv.slice(2), process)
