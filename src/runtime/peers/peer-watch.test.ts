import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Due, OwnLag, PeerWatch } from './peer-watch.ts'

const TIMING = { pingMs: 100, deadMs: 400 }

/** What is due until nothing is; a dial that is due is begun. */
function dues(watch: PeerWatch, now: number): Due[] {
  const found: Due[] = []
  for (let due = watch.due(now); due !== null; due = watch.due(now)) {
    found.push(due)
    if (due === 'dial') watch.dialled(now)
  }
  return found
}

function alive(now = 0): PeerWatch {
  const watch = new PeerWatch(TIMING, now)
  dues(watch, now)
  watch.greeted(now)
  return watch
}

describe('a peer that was alive', () => {
  it('is suspect when its connection closes, is dialled at once, and is dead when that is refused', () => {
    const watch = alive()
    assert.equal(watch.ended(50, 'closed'), false)
    assert.equal(watch.state, 'suspect')
    assert.deepEqual(dues(watch, 50), ['dial'])
    assert.equal(watch.ended(50, 'refused'), true)
    assert.equal(watch.state, 'dead')
  })

  it('is suspect when it is silent, and dead when it says no hello for as long again', () => {
    const watch = alive()
    watch.heard(100)
    assert.deepEqual(dues(watch, 499), [])
    assert.deepEqual(dues(watch, 500), ['hang up', 'dial'])
    assert.equal(watch.state, 'suspect')
    assert.deepEqual(dues(watch, 899), [])
    assert.deepEqual(dues(watch, 900), ['dead'])
  })

  it('is alive again when it says hello in time', () => {
    const watch = alive()
    watch.ended(50, 'closed')
    dues(watch, 50)
    watch.greeted(300)
    assert.deepEqual([watch.state, dues(watch, 600)], ['alive', []])
  })

  it('is dialled again and again while it closes what is dialled, until the time is up', () => {
    const watch = alive()
    watch.ended(0, 'closed')
    const times: number[] = []
    let now = 0
    for (; watch.state === 'suspect'; now++) {
      if (!dues(watch, now).includes('dial')) continue
      times.push(now)
      assert.equal(watch.ended(now, 'closed'), false)
    }
    assert.deepEqual([times.slice(0, 7), watch.state, now - 1], [[0, 2, 6, 14, 30, 55, 80], 'dead', 400])
  })

  it('is not dead for what is wanting here', () => {
    const watch = alive()
    watch.ended(0, 'closed')
    for (let now = 0; now < 10_000; now += 25) {
      assert.ok(!dues(watch, now).includes('dead'))
      watch.ended(now, 'own')
    }
    assert.equal(watch.state, 'suspect')
  })

  it('is gone when it said goodbye, whatever its endpoint does then', () => {
    const watch = alive()
    watch.left(10)
    for (let now = 10; now < 5000; now += 25) {
      if (dues(watch, now).includes('dial')) assert.equal(watch.ended(now, 'refused'), false)
    }
    assert.equal(watch.state, 'gone')
  })
})

describe('a peer that is not there', () => {
  it('is dialled ever less often, but once in ten pings', () => {
    const watch = new PeerWatch(TIMING, 0)
    const times: number[] = []
    for (let now = 0; now <= 5000; now += 25) {
      if (!dues(watch, now).includes('dial')) continue
      times.push(now)
      watch.ended(now, 'refused')
    }
    assert.deepEqual(times, [0, 100, 300, 700, 1500, 2500, 3500, 4500])
    assert.equal(watch.state, 'connecting')
  })

  it('is dialled at once when it is seen alive by another way', () => {
    const watch = new PeerWatch(TIMING, 0)
    for (const now of [0, 100, 300, 700]) {
      dues(watch, now)
      watch.ended(now, 'refused')
    }
    assert.deepEqual(dues(watch, 701), [])
    watch.sign(701)
    assert.deepEqual(dues(watch, 701), ['dial'])
    watch.sign(702)
    assert.deepEqual(dues(watch, 702), [])
  })

  it('is hung up on when it takes a dial and says nothing', () => {
    const watch = new PeerWatch(TIMING, 0)
    assert.deepEqual(dues(watch, 0), ['dial'])
    assert.deepEqual(dues(watch, 399), [])
    assert.deepEqual(dues(watch, 400), ['hang up'])
    assert.equal(watch.state, 'connecting')
  })
})

it('time in which this process did not run is not counted', () => {
  const watch = alive()
  const lag = new OwnLag(25, 100, 0)
  const ticks = [25, 50, 75, 180, 5000, 5025]
  const late = ticks.map(now => {
    const ms = lag.tick(now)
    watch.excuse(ms)
    assert.deepEqual(dues(watch, now), [])
    return ms
  })
  assert.deepEqual(late, [0, 0, 0, 0, 4795, 0])
  assert.equal(watch.state, 'alive')
})

it('whatever happens, a peer is dead once for each time it was alive, and only after it was suspect', () => {
  const event = fc.constantFrom('greeted', 'heard', 'left', 'closed', 'refused', 'own', 'sign', 'tick')
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.nat(300))), events => {
      const watch = new PeerWatch(TIMING, 0)
      let now = 0
      let mayDie = false
      const die = (before: string): void => {
        assert.ok(mayDie)
        assert.equal(before, 'suspect')
        mayDie = false
      }
      for (const [what, ms] of events) {
        now += ms
        const before = watch.state
        if (what === 'greeted') {
          watch.greeted(now)
          mayDie = true
        } else if (what === 'heard') watch.heard(now)
        else if (what === 'left') watch.left(now)
        else if (what === 'sign') watch.sign(now)
        else if (what !== 'tick' && watch.ended(now, what)) die(before)
        const state = watch.state
        const found = dues(watch, now)
        if (found.includes('dead')) die(state)
        assert.ok(found.length <= 3)
      }
    }),
  )
})
