import { AldebaranError } from '../../errors.ts'

/** Confluent's codes: the first three digits are the HTTP status. */
export const REFUSALS = {
  subjectUnknown: 40401,
  versionUnknown: 40402,
  schemaUnknown: 40403,
  subjectSoftDeleted: 40404,
  subjectNotSoftDeleted: 40405,
  versionSoftDeleted: 40406,
  versionNotSoftDeleted: 40407,
  noSubjectCompatibility: 40408,
  noSubjectMode: 40409,
  incompatible: 409,
  invalidSchema: 42201,
  invalidVersion: 42202,
  invalidCompatibility: 42203,
  invalidMode: 42204,
  notPermitted: 42205,
  referenced: 42206,
  invalidSubject: 42208,
  store: 50001,
} as const

export type Refusal = keyof typeof REFUSALS

/** REGISTRY_REFUSED with the code that a schema registry answers with, as `errorCode`. */
export function refused(refusal: Refusal, message: string, cause?: unknown): AldebaranError {
  return new AldebaranError('REGISTRY_REFUSED', message, { errorCode: REFUSALS[refusal] }, cause)
}

/** The code of a refusal, or null for any other error. */
export function refusalOf(error: unknown): number | null {
  if (!(error instanceof AldebaranError) || error.code !== 'REGISTRY_REFUSED') return null
  return typeof error.details.errorCode === 'number' ? error.details.errorCode : null
}
