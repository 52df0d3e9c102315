// @ts-check
import { spawn } from 'node:child_process'
import { constants } from 'node:os'

/**
 * Runs a program in the foreground, hands it the signals this process gets, and answers its exit code.
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions & { deadlineMs?: number }} [options] after deadlineMs it is ended
 * @returns {Promise<number>} 124 when the deadline ended it
 */
export function run(program, args, { deadlineMs, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', ...options })
    let late = false
    /** @type {NodeJS.Timeout[]} */
    const timers = []
    if (deadlineMs !== undefined) {
      timers.push(
        setTimeout(() => {
          late = true
          child.kill('SIGTERM')
        }, deadlineMs),
      )
      timers.push(setTimeout(() => child.kill('SIGKILL'), deadlineMs + 10_000))
    }
    // A terminal sends its Ctrl-C to the child as well: forwarding it too would look like a second, impatient one.
    const onInterrupt = () => {
      if (!process.stdin.isTTY) child.kill('SIGINT')
    }
    const onTerminate = () => child.kill('SIGTERM')
    const onHangUp = () => child.kill('SIGHUP')
    process.on('SIGINT', onInterrupt).on('SIGTERM', onTerminate).on('SIGHUP', onHangUp)
    const finish = () => {
      for (const timer of timers) clearTimeout(timer)
      process.off('SIGINT', onInterrupt).off('SIGTERM', onTerminate).off('SIGHUP', onHangUp)
    }
    child.on('error', error => {
      finish()
      reject(error)
    })
    child.on('close', (code, signal) => {
      finish()
      resolve(late ? 124 : (code ?? 128 + (signal ? constants.signals[signal] : 0)))
    })
  })
}

/**
 * Runs a program and keeps what it prints.
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<{ code: number, output: string }>}
 */
export function capture(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', text => {
      output += text
    })
    child.stderr?.setEncoding('utf8').on('data', text => {
      output += text
    })
    child.on('error', reject)
    child.on('close', code => resolve({ code: code ?? 1, output }))
  })
}
