/** What the brokers of one cluster run on: Java on this machine, or Docker. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import type { Kafka } from './kafka-installation.ts'
import { hold } from './leash.ts'

export type Signal = 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'

export interface Host {
  /** The address brokers bind to, so that 127.0.0.1 leads to them. */
  bind: string
  /** Runs Java with its output in a file. */
  run(args: string[], output: number): Running
  end(): void
}

export interface Running {
  child: ChildProcess
  signal(signal: Signal): void
}

/**
 * @param folder what the brokers read and write
 * @param ports what this machine reaches them at
 */
export function openHost(kafka: Kafka, folder: string, ports: number[]): Host {
  return kafka.image === null ? thisMachine(kafka) : docker(kafka.image, folder, ports)
}

function thisMachine(kafka: Kafka): Host {
  return {
    bind: '127.0.0.1',
    run(args, output) {
      // In a process group of its own: Ctrl-C in a terminal ends the tests, which then end the brokers.
      const child = spawn(kafka.java, args, { stdio: ['ignore', output, output], detached: true })
      if (child.pid !== undefined) child.once('exit', hold({ pid: child.pid }))
      return { child, signal: signal => child.kill(signal) }
    },
    end() {},
  }
}

/**
 * The brokers share the network of a container that does nothing else, and outlives each of them: there, as here, they
 * are at 127.0.0.1.
 */
function docker(image: string, folder: string, ports: number[]): Host {
  const network = `aldebaran-test-${randomUUID()}`
  const release = hold({ command: ['docker', 'rm', '--force', network] })
  const publish = ports.flatMap(port => ['--publish', `127.0.0.1:${port}:${port}`])
  const started = command(['run', '--detach', '--name', network, ...publish, '--entrypoint', 'sleep', image, '1000000'])
  if (started !== '') throw new Error(`Docker could not run ${image}: ${started}`)
  return {
    bind: '0.0.0.0',
    run(args, output) {
      const name = `aldebaran-test-${randomUUID()}`
      const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`
      const options = ['--rm', '--name', name, '--network', `container:${network}`, '--user', user]
      const volume = ['--volume', `${folder}:${folder}`]
      const child = spawn('docker', ['run', ...options, ...volume, '--entrypoint', 'java', image, ...args], {
        stdio: ['ignore', output, output],
        detached: true,
      })
      child.once('exit', hold({ command: ['docker', 'rm', '--force', name] }))
      return { child, signal: signal => command(dockerSignal(signal, name)) }
    },
    end() {
      command(['rm', '--force', network])
      release()
    },
  }
}

function dockerSignal(signal: Signal, name: string): string[] {
  if (signal === 'SIGSTOP') return ['pause', name]
  return signal === 'SIGCONT' ? ['unpause', name] : ['kill', '--signal', signal, name]
}

/** @returns what it complained of */
function command(args: string[]): string {
  const { status, stderr, error } = spawnSync('docker', args, { encoding: 'utf8' })
  return status === 0 ? '' : (error?.message ?? stderr.trim()) || `docker ended with ${status}`
}
