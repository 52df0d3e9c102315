import { AldebaranError, RouteAnswer } from 'aldebaran'
import type { AccountRoute, Call } from './account-route.ts'
import { type Account, type Endpoint, endpointOf } from './accounts.ts'
import { DELIVERY } from './app.ts'
import { CHANGED_ENDPOINT, NEW_ENDPOINT } from './body-shapes.ts'
import { sealIdentity } from './client-certificates.ts'
import { newEndpoint, newSecret, schemeOf, sealHeaders, verifiersAt } from './endpoint-secrets.ts'
import { parseEndpoint, parseOverlap } from './input.ts'
import { viewEndpoint } from './views.ts'

/** The old secret signs on for so long, unless a rotation says otherwise. */
const OVERLAP = '24h'

export const endpointRoutes: readonly AccountRoute[] = [
  {
    method: 'POST',
    path: '/endpoints',
    summary: 'Create an endpoint',
    description:
      'The body has `url`, and if wanted `types` (such as ["invoice.*"]; default ["*"]), `description`, `rate`, ' +
      '`concurrency`, `headers`, `clientCertificate` ({certificate, key}, PEM: shown to it by TLS), `signature` (v1, or v1a ' +
      'for ed25519) and a `secret` of your own. The answer is the only ' +
      'one, with that of /secret, that shows what signatures are verified with.',
    bodyShape: NEW_ENDPOINT,
    status: 201,
    answers: 'The endpoint with its secret, or its public key.',
    handle: create,
  },
  {
    method: 'GET',
    path: '/endpoints',
    summary: 'The endpoints of an account, in the order they were created',
    answers: '{endpoints}',
    handle: async ({ account, directory, now }) => {
      const { endpoints = [] } = (await directory.read(account)) ?? {}
      return { endpoints: endpoints.map(endpoint => viewEndpoint(endpoint, now)) }
    },
  },
  {
    method: 'GET',
    path: '/endpoints/:endpoint',
    summary: 'One endpoint',
    answers: 'The endpoint.',
    handle: async call => viewEndpoint(await read(call), call.now),
  },
  {
    method: 'PATCH',
    path: '/endpoints/:endpoint',
    summary: 'Change the url, types, description, rate, concurrency, headers or client certificate of an endpoint',
    description:
      'Events that already wait go to the new address too. `headers` replaces all of them, `clientCertificate` ' +
      'certificate and key together; null removes them.',
    bodyShape: CHANGED_ENDPOINT,
    answers: 'The endpoint.',
    handle: update,
  },
  {
    method: 'DELETE',
    path: '/endpoints/:endpoint',
    summary: 'Delete an endpoint; what still waits for it goes to the dead letters',
    status: 204,
    answers: 'Nothing.',
    handle: remove,
  },
  {
    method: 'POST',
    path: '/endpoints/:endpoint/enable',
    summary: 'Enable an endpoint: it gets events again, first of all those that still wait for it',
    answers: 'The endpoint.',
    handle: async call => {
      const { account, endpoint: id, directory, operations, now } = call
      const changed = await directory.change(account, before =>
        endpointOf(before, id).status === 'enabled' ? undefined : { change: 'enable', id, at: now },
      )
      await operations.command(DELIVERY, { command: 'resume', destination: id })
      return viewEndpoint(endpointOf(changed, id), now)
    },
  },
  {
    method: 'POST',
    path: '/endpoints/:endpoint/disable',
    summary: 'Disable an endpoint: no event goes to it; what waits for it goes to the dead letters',
    answers: 'The endpoint.',
    handle: async call => {
      const { account, endpoint: id, directory, operations, now } = call
      const changed = await directory.change(account, before =>
        endpointOf(before, id).status === 'disabled'
          ? undefined
          : { change: 'disable', id, at: now, reason: 'by its owner' },
      )
      await operations.command(DELIVERY, { command: 'purge', destination: id })
      return viewEndpoint(endpointOf(changed, id), now)
    },
  },
  {
    method: 'GET',
    path: '/endpoints/:endpoint/secret',
    summary: 'What the signatures of an endpoint are verified with, the newest first',
    answers: '{secrets: [{secret or publicKey, until}]}',
    handle: async call => {
      const { account, webhooks, now } = call
      return { secrets: verifiersAt(webhooks.vault, account, await read(call), now) }
    },
  },
  {
    method: 'POST',
    path: '/endpoints/:endpoint/secret/rotate',
    summary: 'Replace the secret of an endpoint; requests are signed with both for a while',
    query: { keepFor: { type: 'string', default: OVERLAP, description: 'How long the old one still signs.' } },
    answers: '{secrets: [{secret or publicKey, until}]}',
    handle: rotate,
  },
  {
    method: 'POST',
    path: '/endpoints/:endpoint/test',
    summary: 'Send an event of type webhook.test to an endpoint, whatever types it wants',
    status: 202,
    answers: '{id} of the event.',
    handle: async call => {
      const { account, endpoint, publisher, now } = call
      await read(call)
      return new RouteAnswer(202, { id: await publisher.test(account, endpoint, now) })
    },
  },
]

async function read({ account, endpoint, directory }: Call): Promise<Endpoint> {
  return endpointOf(await directory.read(account), endpoint)
}

async function create(call: Call): Promise<RouteAnswer> {
  const { account, body, webhooks, directory, now } = call
  const { vault, sender } = webhooks
  const input = parseEndpoint(body, true, url => sender.check(url), now)
  const fields = { ...input.fields, url: input.fields.url! }
  const endpoint = newEndpoint(vault, account, { ...input, fields }, now)
  checkCertificate(endpoint)
  const changed = await directory.change(account, () => ({ change: 'create', endpoint }))
  const made = endpointOf(changed, endpoint.id)
  await limit(call, made)
  const { until: _, ...verifier } = verifiersAt(vault, account, made, now)[0]!
  return new RouteAnswer(201, { ...viewEndpoint(made, now), ...verifier })
}

async function update(call: Call): Promise<object> {
  const { account, endpoint: id, body, webhooks, directory, now } = call
  const { vault, sender } = webhooks
  const { fields, headers, clientCertificate } = parseEndpoint(body, false, url => sender.check(url), now)
  const certificate =
    clientCertificate === undefined
      ? {}
      : { clientCertificate: clientCertificate && sealIdentity(vault, account, id, clientCertificate) }
  const changed = await directory.change(account, before => {
    checkCertificate({ ...endpointOf(before, id), ...fields, ...certificate })
    const sealed =
      headers === undefined
        ? {}
        : { headers: sealHeaders(vault, account, id, headers), headerNames: Object.keys(headers) }
    return { change: 'update', id, at: now, fields: { ...fields, ...sealed, ...certificate } }
  })
  const endpoint = endpointOf(changed, id)
  if (fields.rate !== undefined || fields.concurrency !== undefined) await limit(call, endpoint, true)
  return viewEndpoint(endpoint, now)
}

async function remove(call: Call): Promise<RouteAnswer> {
  const { account, endpoint: id, directory, operations } = call
  await directory.change(account, before => {
    endpointOf(before, id)
    return { change: 'delete', id }
  })
  // Nothing is remembered of it, and what waits is not tried.
  await operations.command(DELIVERY, { command: 'purge', destination: id })
  await operations.command(DELIVERY, { command: 'limit', destination: id })
  await operations.command(DELIVERY, { command: 'resume', destination: id })
  return new RouteAnswer(204, undefined)
}

async function rotate(call: Call): Promise<object> {
  const { account, endpoint: id, query, webhooks, directory, now } = call
  const { vault } = webhooks
  const until = now + parseOverlap(String(query.keepFor))
  const changed: Account = await directory.change(account, before => {
    const endpoint = endpointOf(before, id)
    const secret = newSecret(vault, account, id, schemeOf(vault, account, endpoint), undefined, now)
    return { change: 'rotate', id, at: now, until, secret }
  })
  return { secrets: verifiersAt(vault, account, endpointOf(changed, id), now) }
}

/** Where nobody asks for a certificate the owner would believe that somebody does. */
function checkCertificate({ url, clientCertificate }: Pick<Endpoint, 'url' | 'clientCertificate'>): void {
  if (!clientCertificate || url.startsWith('https:')) return
  const path = 'clientCertificate'
  throw new AldebaranError('VALUE_INVALID', `${path} needs an endpoint by https:`, { path })
}

/** Its own rate and concurrency. `always`: also if it has none, for it may have had some. */
async function limit({ operations }: Call, { id, rate, concurrency }: Endpoint, always = false): Promise<void> {
  if (!always && rate === '' && concurrency === 0) return
  await operations.command(DELIVERY, {
    command: 'limit',
    destination: id,
    ...(rate === '' ? {} : { rate }),
    ...(concurrency === 0 ? {} : { concurrency }),
  })
}
