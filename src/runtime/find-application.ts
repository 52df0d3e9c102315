import { AldebaranError } from '../errors.ts'
import type { Application } from './application.ts'

/** Where `start`, called in a worker thread, leaves the application it was given. Shared by all copies of this module. */
const REGISTRY = Symbol.for('aldebaran.worker.applications')

interface Registry {
  [REGISTRY]?: (app: Application, settings: unknown) => void
}

/** In a worker thread: hands the application over. False: this is not one. */
export function registerInWorker(app: Application, settings: unknown): boolean {
  const register = (globalThis as Registry)[REGISTRY]
  if (register === undefined) return false
  register(app, settings)
  return true
}

/**
 * Imports a module and finds an application in it: one that the module exports, or one that it starts.
 * A module that starts an application waits there for ever, in a worker: what follows runs on the main thread only.
 */
export async function findApplication(entry: string, name: string | null): Promise<Application> {
  const started = new Promise<Application>(resolve => {
    ;(globalThis as Registry)[REGISTRY] = app => {
      if (name === null || app.name === name) resolve(app)
    }
  })
  const imported = import(entry).then(async (module: Record<string, unknown>) => {
    const found = await exportedApplications(module)
    const match = found.find(app => name === null || app.name === name)
    if (match !== undefined) return match
    // One that it starts later, in a function it did not wait for, comes before it has nothing left to do.
    await new Promise<void>(resolve => process.once('beforeExit', () => resolve()))
    throw new AldebaranError(
      'OPTION_INVALID',
      `${entry} neither exports nor runs ${name === null ? 'an application' : `application '${name}'`}`,
      { entry },
    )
  })
  return await Promise.race([started, imported])
}

/**
 * As `findApplication`, for the main thread of a program that starts the application itself, as the command line does.
 * A module that starts one is held there, and the settings it would have started it with are told.
 */
export async function captureApplication(entry: string): Promise<{ application: Application; settings: unknown }> {
  const registry = globalThis as Registry
  try {
    const settingsOf = new Map<Application, unknown>()
    const found = findApplication(entry, null)
    const register = registry[REGISTRY]!
    registry[REGISTRY] = (app, settings) => {
      settingsOf.set(app, settings)
      register(app, settings)
    }
    const application = await found
    return { application, settings: settingsOf.get(application) }
  } finally {
    delete registry[REGISTRY]
  }
}

/** The applications among the exports of a module; functions without parameters named `app` or `default` are called. */
async function exportedApplications(module: Record<string, unknown>): Promise<Application[]> {
  const values = Object.entries(module).map(async ([name, value]) => {
    if (typeof value === 'function' && value.length === 0 && (name === 'app' || name === 'default')) return value()
    return value
  })
  return (await Promise.all(values)).filter(isApplication)
}

function isApplication(value: unknown): value is Application {
  return typeof value === 'object' && value !== null && 'topologies' in value && 'deadLetters' in value
}
