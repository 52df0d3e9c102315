import assert from 'node:assert/strict'
import { once } from 'node:events'
import { it } from 'node:test'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import { PLAIN_TLS, revealed, type Security, secret } from './security.ts'

const security: Security = {
  tls: { ...PLAIN_TLS, key: secret('the-key') },
  sasl: { mechanism: 'PLAIN', username: 'user', password: secret('pässword') },
}

it('secrets are shown by nothing that prints settings', () => {
  const shown = [inspect(security, { depth: 9, showHidden: true }), JSON.stringify(security), String(security.tls!.key)]
  assert.doesNotMatch(shown.join(), /the-key|pässword/)
  assert.match(shown[1]!, /"username":"user"/)
})

it('secrets go with the settings to a thread', async () => {
  assert.equal(revealed(structuredClone(security).tls!.key!), 'the-key')
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
    parentPort.postMessage(workerData.sasl.password.export().toString())`,
    { eval: true, workerData: security },
  )
  const [text] = await once(worker, 'message')
  assert.equal(text, 'pässword')
  await worker.terminate()
  assert.equal(revealed(secret('')), '')
})
