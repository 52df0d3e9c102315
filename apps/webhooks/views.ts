import type { AttemptRecord } from 'aldebaran'
import type { Endpoint } from './accounts.ts'

/** An endpoint as the REST API shows it: without secrets, and without the values of its headers. */
export function viewEndpoint(endpoint: Endpoint) {
  const { headers: _, headerNames, secrets, ...shown } = endpoint
  return {
    ...shown,
    headers: headerNames,
    secrets: secrets.map(({ id, createdAt, until }) => ({ id, createdAt, until })),
  }
}

export function viewAttempt(attempt: AttemptRecord) {
  const { id, destination, tenant, detail, ...shown } = attempt
  return {
    event: id,
    endpoint: destination,
    ...shown,
    ...(typeof detail === 'object' && detail !== null ? detail : {}),
  }
}
