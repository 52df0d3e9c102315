/** The Java that runs Kafka: found, or installed by the platform's packages. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { installPackage } from './platform-packages.ts'

const OLDEST = 17

export interface Java {
  path: string
  /** As it tells itself, such as 17.0.15. */
  version: string
}

/** @returns a reason when there is none and none can be installed */
export function findOrInstallJava(): Java | string {
  const found = findJava()
  if (found !== null) return found
  const problem = installPackage({
    'apt-get': ['openjdk-21-jre-headless', 'openjdk-17-jre-headless', 'default-jre-headless'],
    dnf: ['java-21-openjdk-headless', 'java-17-openjdk-headless', 'java-latest-openjdk-headless'],
    apk: ['openjdk21-jre-headless', 'openjdk17-jre-headless'],
    brew: ['openjdk'],
  })
  return problem ?? findJava() ?? `the Java that was installed is not found, or is older than ${OLDEST}`
}

function findJava(): Java | null {
  const homes = [
    process.env.JAVA_HOME,
    // macOS has a /usr/bin/java that only asks for an installation; brew links its own nowhere.
    ...(process.platform === 'darwin'
      ? [printed('/usr/libexec/java_home'), printed('brew', '--prefix', 'openjdk')]
      : []),
  ]
  const paths = homes.flatMap(home => (home ? [join(home, 'bin', 'java')] : []))
  for (const path of [...paths, 'java']) {
    const { status, stderr } = spawnSync(path, ['-version'], { encoding: 'utf8' })
    const version = /version "([\d.]+)/.exec(stderr ?? '')?.[1]
    if (status === 0 && version !== undefined && Number.parseInt(version, 10) >= OLDEST) return { path, version }
  }
  return null
}

function printed(program: string, ...args: string[]): string {
  return spawnSync(program, args, { encoding: 'utf8' }).stdout?.trim() ?? ''
}
