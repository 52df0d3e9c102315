/** The package `pg`, loaded by those who use PostgreSQL alone. */
import { AldebaranError } from '../../errors.ts'

/** @throws AldebaranError PACKAGE_MISSING */
export async function loadPostgres(): Promise<typeof import('pg')> {
  try {
    return await import('pg')
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new AldebaranError('PACKAGE_MISSING', 'PostgreSQL needs pg 8: npm install pg@8', { package: 'pg' })
  }
}
