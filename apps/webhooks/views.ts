import type { AttemptRecord } from 'aldebaran'
import type { Endpoint } from './accounts.ts'
import { viewCertificate } from './client-certificates.ts'

/** An endpoint as the REST API shows it: without secrets, keys and the values of its headers. `now`: ms since 1970. */
export function viewEndpoint(endpoint: Endpoint, now: number) {
  const { headers: _, headerNames, secrets, clientCertificate, ...shown } = endpoint
  return {
    ...shown,
    headers: headerNames,
    clientCertificate: clientCertificate ? viewCertificate(clientCertificate, now) : null,
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
