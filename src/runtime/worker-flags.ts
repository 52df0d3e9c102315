/** How a program tells Node to load modules: without these the user's module may not load in a worker. */
const LOADING =
  /^(?:--import|--require|-r|--loader|--experimental-loader|--conditions|-C|--experimental-transform-types|--experimental-strip-types|--enable-source-maps)(?:=|$)/
/** Those of them whose value may be the next argument. */
const VALUED = /^(?:--import|--require|-r|--loader|--experimental-loader|--conditions|-C)$/
const INPUT_TYPE = /^--input-type(?:=|$)/

/**
 * The flags of worker threads, from those of the process. Null: the same, as by default. A worker of a process with
 * `--input-type` would not start, for it is a file; it gets the flags that say how modules are loaded.
 */
export function workerFlags(execArgv: readonly string[]): string[] | null {
  if (!execArgv.some(flag => INPUT_TYPE.test(flag))) return null
  return execArgv.filter((flag, i) => LOADING.test(flag) || VALUED.test(execArgv[i - 1] ?? ''))
}
