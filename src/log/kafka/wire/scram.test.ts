import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { describe, it } from 'node:test'
import { withCode } from '../../../../test/contract/log-data.ts'
import { Scram } from './scram.ts'
import { type ScramMechanism, secret } from './security.ts'

// The exchange of RFC 7677, section 3.
const NONCE = 'rOprNGfwEbeRWgbNEkqO'
const SERVER_NONCE = `${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0`
const SERVER_FIRST = `r=${SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`
const CLIENT_FINAL = `c=biws,r=${SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`
const SERVER_FINAL = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='

function client(username = 'user', password = 'pencil', name: ScramMechanism = 'SCRAM-SHA-256'): Scram {
  return new Scram(name, username, secret(password), NONCE)
}

async function say(scram: Scram, text: string): Promise<string | null> {
  return (await scram.respond(Buffer.from(text)))?.toString() ?? null
}

describe('SCRAM', () => {
  it('speaks as the example of RFC 7677', async () => {
    const scram = client()
    assert.equal(await say(scram, ''), `n,,n=user,r=${NONCE}`)
    assert.equal(await say(scram, SERVER_FIRST), CLIENT_FINAL)
    assert.equal(await say(scram, SERVER_FINAL), null)
  })

  it('with SHA-512 proves itself to who knows the password, and checks him', async () => {
    const scram = client('us=er,ü', 'pässword', 'SCRAM-SHA-512')
    const first = (await say(scram, ''))!.slice(3)
    assert.equal(first, `n=us=3Der=2Cü,r=${NONCE}`)
    const serverFirst = `r=${NONCE}abc,s=c2FsdA==,i=5000`
    const [, withoutProof, proof] = /^(.*),p=(.*)$/.exec((await say(scram, serverFirst))!)!
    const hmac = (key: Buffer, text: string): Buffer => createHmac('sha512', key).update(text).digest()
    const salted = pbkdf2Sync('pässword', 'salt', 5000, 64, 'sha512')
    const message = `${first},${serverFirst},${withoutProof}`
    const storedKey = createHash('sha512').update(hmac(salted, 'Client Key')).digest()
    const signature = hmac(storedKey, message)
    const clientKey = Buffer.from(proof!, 'base64').map((byte, i) => byte ^ signature[i]!)
    assert.deepEqual(createHash('sha512').update(clientKey).digest(), storedKey)
    assert.equal(await say(scram, `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`), null)
  })

  it('never uses a nonce twice', async () => {
    const nonces = new Set<string | null>()
    for (let i = 0; i < 100; i++) nonces.add(await say(new Scram('SCRAM-SHA-256', 'u', secret('p')), ''))
    assert.equal(nonces.size, 100)
  })

  const refused: [string, string][] = [
    ['another nonce', SERVER_FIRST.replace(NONCE, 'another')],
    ['our nonce with nothing added', SERVER_FIRST.replace(SERVER_NONCE, NONCE)],
    ['too few iterations', SERVER_FIRST.replace('4096', '4095')],
    ['endless iterations', SERVER_FIRST.replace('4096', '999999999')],
    ['iterations that are no number', SERVER_FIRST.replace('4096', '4096x')],
    ['no salt', SERVER_FIRST.replace(/s=[^,]+/, 's=')],
    ['an extension that must be understood', `m=ext,${SERVER_FIRST}`],
    ['an error', 'e=unknown-user'],
    ['something else', 'hello'],
    ['nothing', ''],
  ]
  for (const [what, message] of refused) {
    it(`refuses ${what}`, async () => {
      const scram = client()
      await say(scram, '')
      await assert.rejects(say(scram, message), withCode('KAFKA_AUTHENTICATION'))
    })
  }

  it('refuses who does not know the password', async () => {
    for (const last of ['', 'v=', 'v=AAAA', `v=${Buffer.alloc(32).toString('base64')}`, 'e=invalid-proof']) {
      const scram = client()
      await say(scram, '')
      await say(scram, SERVER_FIRST)
      await assert.rejects(say(scram, last), withCode('KAFKA_AUTHENTICATION'), last)
    }
  })
})
