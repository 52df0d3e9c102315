/** Installs packages of the platform, where this user may: apt, dnf, apk as root or with sudo that asks nothing, brew. */
import { spawnSync } from 'node:child_process'

export type PackageNames = Record<'apt-get' | 'dnf' | 'apk' | 'brew', string[]>

const QUIET = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const

/**
 * Installs the first of the packages that the platform has. Says what it does on stderr.
 * @returns null when one is installed, or why none is
 */
export function installPackage(names: PackageNames): string | null {
  const manager = (Object.keys(names) as (keyof PackageNames)[]).find(name => answers(name, '--version'))
  if (manager === undefined) return 'this machine has none of apt-get, dnf, apk and brew'
  const privilege = manager === 'brew' ? [] : privilegeToInstall()
  if (privilege === null) return `${manager} may not install here: this user is not root, and sudo asks for a password`
  const run = (...args: string[]) => succeeds([...privilege, manager, ...args])
  const wanted = names[manager]
  process.stderr.write(`aldebaran: installing ${wanted.join(' or ')} with ${manager}\n`)
  // A machine made from an image has no lists of packages yet.
  if (manager === 'apt-get') run('update')
  const install = {
    'apt-get': ['install', '-y', '--no-install-recommends', '--no-upgrade'],
    dnf: ['install', '-y'],
    apk: ['add', '--no-cache'],
    brew: ['install'],
  }[manager]
  return wanted.some(name => run(...install, name)) ? null : `${manager} could install none of ${wanted.join(', ')}`
}

/** What comes before a command that changes the system; null when this user may not. */
function privilegeToInstall(): string[] | null {
  if (process.getuid?.() === 0) return []
  return answers('sudo', '-n', 'true') ? ['sudo', '-n'] : null
}

export function answers(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore', timeout: 20_000 }).status === 0
}

function succeeds(command: string[]): boolean {
  return spawnSync(command[0]!, command.slice(1), QUIET).status === 0
}
