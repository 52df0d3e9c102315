/**
 * An account with its endpoints, and what changes it. Values only: nothing here is mutated, and nothing asks what time it is.
 *
 *     enabled ──► disabled by its owner, or by itself: 410, or nothing but failures for days
 *        ▲            │
 *        └────────────┘ enabled by its owner
 */
import { AldebaranError } from 'aldebaran'

export interface EndpointSecret {
  readonly id: string
  /** `whsec_…` or `whsk_…`, sealed. */
  readonly sealed: string
  readonly createdAt: number
  /** It signs up to this time, ms since 1970; 0: nothing has replaced it. */
  readonly until: number
}

/** Who an endpoint is shown that we are, by TLS. */
export interface ClientCertificate {
  /** The chain and the key, sealed. */
  readonly sealed: string
  readonly subject: string
  readonly issuer: string
  /** ms since 1970 */
  readonly expiresAt: number
  /** SHA-256 of the certificate: 'AB:CD:…'. */
  readonly fingerprint: string
}

export interface Endpoint {
  readonly id: string
  readonly url: string
  readonly description: string
  /** What it wants: 'invoice.paid', 'invoice.*' or '*'. */
  readonly types: readonly string[]
  readonly status: 'enabled' | 'disabled'
  /** Why it is disabled, and when its status changed, ms since 1970. */
  readonly reason: string
  readonly statusAt: number
  /** '100/s'; '': as the settings say. */
  readonly rate: string
  /** 0: as the settings say. */
  readonly concurrency: number
  /** More headers of its requests as a JSON object, sealed; '': none. */
  readonly headers: string
  readonly headerNames: readonly string[]
  /** Null, or not there: the one of the settings, if they have any. */
  readonly clientCertificate?: ClientCertificate | null
  /** The newest first. */
  readonly secrets: readonly EndpointSecret[]
  readonly createdAt: number
  readonly updatedAt: number
}

export interface EventType {
  readonly name: string
  readonly description: string
}

export interface Account {
  readonly id: string
  readonly endpoints: readonly Endpoint[]
  /** Empty: any type is taken. */
  readonly eventTypes: readonly EventType[]
  /** Offset of the last change that it has. */
  readonly change: number
}

export type EndpointFields = Pick<
  Endpoint,
  'url' | 'description' | 'types' | 'rate' | 'concurrency' | 'headers' | 'headerNames' | 'clientCertificate'
>

export type Change =
  | { readonly change: 'create'; readonly endpoint: Endpoint }
  | { readonly change: 'update'; readonly id: string; readonly at: number; readonly fields: Partial<EndpointFields> }
  | { readonly change: 'delete'; readonly id: string }
  | { readonly change: 'enable'; readonly id: string; readonly at: number }
  | { readonly change: 'disable'; readonly id: string; readonly at: number; readonly reason: string }
  /** The secrets so far sign up to `until`. */
  | {
      readonly change: 'rotate'
      readonly id: string
      readonly at: number
      readonly until: number
      readonly secret: EndpointSecret
    }
  | { readonly change: 'event-types'; readonly eventTypes: readonly EventType[] }

export const MOST_ENDPOINTS = 1000
export const MOST_SECRETS = 5
/** Of an account as JSON, characters. */
const LARGEST_ACCOUNT = 2_000_000

export function newAccount(id: string): Account {
  return { id, endpoints: [], eventTypes: [], change: -1 }
}

/**
 * `offset`: of the change in its topic.
 * @throws AldebaranError VALUE_INVALID, NOT_FOUND: the account stays as it is
 */
export function applyChange(account: Account, change: Change, offset: number): Account {
  const changed = { ...apply(account, change), change: offset }
  if (JSON.stringify(changed).length > LARGEST_ACCOUNT) {
    throw new AldebaranError(
      'VALUE_INVALID',
      `account ${account.id} would be larger than ${LARGEST_ACCOUNT} characters`,
    )
  }
  return changed
}

/**
 * What the delivery says of an endpoint: it gets nothing more. Null: nothing changes; it is gone, or was enabled since.
 * @param at ms since 1970
 */
export function disableByItself(account: Account, id: string, reason: string, at: number): Account | null {
  const endpoint = account.endpoints.find(one => one.id === id)
  if (endpoint === undefined || endpoint.status === 'disabled' || endpoint.statusAt > at) return null
  return replace(account, { ...endpoint, status: 'disabled', reason, statusAt: at })
}

/** @throws AldebaranError NOT_FOUND */
export function endpointOf(account: Account | null, id: string): Endpoint {
  const endpoint = account?.endpoints.find(one => one.id === id)
  if (endpoint !== undefined) return endpoint
  throw new AldebaranError('NOT_FOUND', `there is no endpoint ${id}`, { endpoint: id })
}

function apply(account: Account, change: Change): Account {
  switch (change.change) {
    case 'create': {
      const { endpoint } = change
      if (account.endpoints.length >= MOST_ENDPOINTS) {
        throw new AldebaranError('VALUE_INVALID', `an account has at most ${MOST_ENDPOINTS} endpoints`)
      }
      if (account.endpoints.some(({ id }) => id === endpoint.id)) {
        throw new AldebaranError('VALUE_INVALID', `there is an endpoint ${endpoint.id} already`)
      }
      return { ...account, endpoints: [...account.endpoints, endpoint] }
    }
    case 'update':
      return replace(account, { ...endpointOf(account, change.id), ...change.fields, updatedAt: change.at })
    case 'delete': {
      const gone = endpointOf(account, change.id)
      return { ...account, endpoints: account.endpoints.filter(one => one !== gone) }
    }
    case 'enable':
    case 'disable': {
      const endpoint = endpointOf(account, change.id)
      const status = change.change === 'enable' ? 'enabled' : 'disabled'
      const reason = change.change === 'enable' ? '' : change.reason
      return replace(account, { ...endpoint, status, reason, statusAt: change.at })
    }
    case 'rotate': {
      const { id, secret, until, at } = change
      const endpoint = endpointOf(account, id)
      const others = endpoint.secrets
        .map(one => (one.until === 0 ? { ...one, until } : one))
        .filter(one => one.until > at)
      if (others.length >= MOST_SECRETS) {
        throw new AldebaranError('VALUE_INVALID', `endpoint ${id} has ${MOST_SECRETS} secrets that still sign`)
      }
      return replace(account, { ...endpoint, secrets: [secret, ...others], updatedAt: at })
    }
    case 'event-types':
      return { ...account, eventTypes: change.eventTypes }
    default:
      throw new AldebaranError('VALUE_INVALID', 'that is no change of an account', { path: 'change' })
  }
}

function replace(account: Account, endpoint: Endpoint): Account {
  return { ...account, endpoints: account.endpoints.map(one => (one.id === endpoint.id ? endpoint : one)) }
}
