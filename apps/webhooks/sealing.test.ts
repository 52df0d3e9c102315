import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AldebaranError } from 'aldebaran'
import fc from 'fast-check'
import { newKey, Vault } from './sealing.ts'

const isInvalid = (error: unknown) => error instanceof AldebaranError && error.code === 'SECRET_INVALID'

test('what is sealed opens at its place, and is never sealed the same way twice', () => {
  const vault = new Vault(newKey())
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, place) => {
      const sealed = vault.seal(text, place)
      assert.equal(vault.open(sealed, place), text)
      assert.notEqual(vault.seal(text, place), sealed)
      assert.throws(() => vault.open(sealed, `${place}x`), isInvalid)
    }),
  )
})

test('one changed character, a cut and nonsense are refused, and no error tells the text', () => {
  const vault = new Vault(newKey())
  const sealed = vault.seal('a private text', 'here')
  for (let at = 0; at < sealed.length - 1; at++) {
    const other = sealed[at] === 'A' ? 'B' : 'A'
    assert.throws(() => vault.open(sealed.slice(0, at) + other + sealed.slice(at + 1), 'here'), isInvalid)
    assert.throws(
      () => vault.open(sealed.slice(0, at), 'here'),
      (error: Error) => isInvalid(error) && !error.message.includes('private text'),
    )
  }
})

test('a new key is put before the old one: it seals, and both open', () => {
  const [old, fresh] = [newKey(), newKey()]
  const both = new Vault(`${fresh}, ${old}`)
  assert.equal(both.open(new Vault(old).seal('x', 'p'), 'p'), 'x')
  assert.equal(new Vault(fresh).open(both.seal('y', 'p'), 'p'), 'y')
  assert.throws(() => new Vault(old).open(both.seal('y', 'p'), 'p'), isInvalid)
})

test('a key that is none is refused without being told', () => {
  for (const key of ['', 'c2hvcnQ=', `${newKey()},`]) {
    assert.throws(
      () => new Vault(key),
      (error: unknown) =>
        error instanceof AldebaranError && error.code === 'OPTION_INVALID' && !error.message.includes('c2h'),
    )
  }
})
