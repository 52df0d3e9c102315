import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type NagiosSettings, nagiosChannel } from './nagios.ts'
import { commandLine } from './nagios-command.ts'
import { alert, attempt, fails, listening, NOW, refusedPort } from './test/apparatus.ts'
import { nscaServer } from './test/nsca-server.ts'

/** A pipe of the file system; `reader`: what Nagios has open, without blocking. */
function pipe(changes: Partial<NagiosSettings> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-nagios-'))
  const commandFile = join(folder, 'nagios.cmd')
  execFileSync('mkfifo', [commandFile])
  const open: number[] = []
  const openAs = (flags: number) => {
    const descriptor = openSync(commandFile, flags | constants.O_NONBLOCK)
    open.push(descriptor)
    return descriptor
  }
  return {
    commandFile,
    channel: nagiosChannel({ host: 'trading', service: 'overbought', commandFile, ...changes }),
    reader: () => openAs(constants.O_RDONLY),
    writer: () => openAs(constants.O_WRONLY),
    [Symbol.dispose]() {
      for (const descriptor of open) closeSync(descriptor)
      rmSync(folder, { recursive: true })
    },
  }
}

function readAll(descriptor: number): string {
  const bytes = Buffer.alloc(1_000_000)
  return bytes.toString('utf8', 0, readSync(descriptor, bytes))
}

describe('the command file', () => {
  test('a result is one line that Nagios reads', async () => {
    using place = pipe()
    const reader = place.reader()
    await place.channel.send(alert(), attempt())
    await place.channel.send(alert({ severity: 'ok', text: '' }), attempt())
    const at = NOW / 1000
    assert.equal(
      readAll(reader),
      `[${at}] PROCESS_SERVICE_CHECK_RESULT;trading;overbought;2;Account 7 overbought\\nBought 120, allowed 100.\n` +
        `[${at}] PROCESS_SERVICE_CHECK_RESULT;trading;overbought;0;Account 7 overbought\n`,
    )
  })

  test('a result of a host has the states of hosts', async () => {
    using place = pipe({ service: '', host: ({ source }) => source })
    const reader = place.reader()
    for (const severity of ['ok', 'warning', 'critical', 'unknown'] as const) {
      await place.channel.send(alert({ severity, title: 't', text: '' }), attempt())
    }
    const states = [...readAll(reader).matchAll(/PROCESS_HOST_CHECK_RESULT;account-7;(\d);t\n/g)].map(match => match[1])
    assert.deepEqual(states, ['0', '1', '1', '2'])
  })

  test('nothing in an alert becomes a field or a command', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 6000 }), output => {
        const line = commandLine({ host: 'h', service: 's', state: 1, output }, NOW)
        assert.ok(Buffer.byteLength(line) <= 4096)
        assert.equal(line.indexOf('\n'), line.length - 1)
        assert.equal(line.split(';').length, 5)
        assert.doesNotMatch(line.slice(0, -1), /[\p{Cc}|]/u)
      }),
    )
    const line = commandLine({ host: 'h', service: 's', state: 1, output: 'a;b|c\\n\r\n[1] SHUTDOWN_PROGRAM' }, 0)
    assert.equal(line, '[0] PROCESS_SERVICE_CHECK_RESULT;h;s;1;a,b/c\\\\n\\n[1] SHUTDOWN_PROGRAM\n')
    const long = commandLine({ host: 'h', service: 's', state: 1, output: '\n'.repeat(9999) }, 0)
    assert.ok(Buffer.byteLength(long) > 4085)
  })

  test('a pipe without a reader, and no pipe at all, take nothing, and nobody waits', async () => {
    using place = pipe()
    assert.match((await fails(place.channel.send(alert(), attempt()), 'retry')).message, /ENXIO/)
    rmSync(place.commandFile)
    assert.match((await fails(place.channel.send(alert(), attempt()), 'retry')).message, /ENOENT/)
    const folder = nagiosChannel({ host: 'h', commandFile: '/dev/null' })
    await fails(folder.send(alert(), attempt()), 'retry')
  })

  test('a full pipe takes nothing, and the line arrives whole when there is room', async () => {
    using place = pipe()
    const reader = place.reader()
    const writer = place.writer()
    const fill = Buffer.alloc(4096, 'x')
    assert.throws(
      () => {
        for (;;) writeSync(writer, fill)
      },
      { code: 'EAGAIN' },
    )
    await fails(place.channel.send(alert(), attempt()), 'throttle')
    assert.match(readAll(reader), /^x+$/)
    await place.channel.send(alert(), attempt())
    assert.match(readAll(reader), /^\[\d+\] PROCESS_SERVICE_CHECK_RESULT;[^\n]+\n$/)
  })

  test('a regular file is appended to', async () => {
    using place = pipe()
    rmSync(place.commandFile)
    writeFileSync(place.commandFile, 'before\n')
    await place.channel.send(alert(), attempt())
    assert.match(readFileSync(place.commandFile, 'utf8'), /^before\n\[\d+\] PROCESS_SERVICE_CHECK_RESULT;.*\n$/)
  })

  test('names that the alert gives have no separator, or it is rejected', async () => {
    using place = pipe({ host: ({ source }) => source, service: ({ title }) => title })
    place.reader()
    for (const source of ['a;b', '', 'x'.repeat(64)])
      await fails(place.channel.send(alert({ source }), attempt()), 'reject')
    await fails(place.channel.send(alert({ title: ';2;ok' }), attempt()), 'reject')
  })
})

describe('NSCA', () => {
  const password = 'pä ss'
  const toServer = (port: number, nsca = {}, settings: Partial<NagiosSettings> = {}) =>
    nagiosChannel({
      host: 'trading',
      service: 'overbought',
      nsca: { host: '127.0.0.1', port, password, ...nsca },
      ...settings,
    })

  for (const [encryption, method] of [
    ['none', 0],
    ['xor', 1],
    ['aes', 14],
  ] as const) {
    for (const outputBytes of [4096, 512] as const) {
      test(`a daemon reads the packet: ${encryption}, room for ${outputBytes} bytes`, async () => {
        await using server = await nscaServer({ method, password, outputBytes })
        const channel = toServer(server.port, { encryption, outputBytes })
        await channel.send(alert(), attempt())
        await channel.send(alert({ severity: 'unknown', title: 'é', text: 'é'.repeat(9000) }), attempt())
        assert.deepEqual(server.dropped, [])
        const [first, second] = server.results
        assert.deepEqual(first, {
          host: 'trading',
          service: 'overbought',
          state: 2,
          output: 'Account 7 overbought\nBought 120, allowed 100.',
        })
        assert.equal(second!.state, 3)
        // é, a line break, and as many é as there is room for.
        assert.equal(second!.output, `é\n${'é'.repeat(Math.floor((outputBytes - 1 - 3) / 2))}`)
      })
    }
  }

  test('another password is not seen by the sender: the daemon drops the packet', async () => {
    await using server = await nscaServer({ method: 1, password: 'other', outputBytes: 4096 })
    await toServer(server.port).send(alert(), attempt())
    assert.deepEqual([server.results, server.dropped.length], [[], 1])
  })

  test('nothing was sent before the greeting: refused, ended, reset', async () => {
    await fails(toServer(await refusedPort()).send(alert(), attempt()), 'retry')
    await using ending = await listening(createServer(socket => socket.end('short')))
    assert.match((await fails(toServer(ending.port).send(alert(), attempt()), 'retry')).message, /at once/)
    await using resetting = await listening(createServer(socket => socket.resetAndDestroy()))
    await fails(toServer(resetting.port).send(alert(), attempt()), 'retry')
  })

  test('a daemon that ends the connection along with its greeting gets nothing', async () => {
    await using server = await listening(createServer(socket => socket.end(Buffer.alloc(132))))
    await fails(toServer(server.port).send(alert(), attempt()), 'retry')
  })

  test('a daemon that ends before the sender does may not have read the packet', async () => {
    const instead = (socket: Socket) => void socket.once('data', () => socket.end())
    await using server = await nscaServer({ method: 1, password, outputBytes: 4096, instead })
    await fails(toServer(server.port).send(alert(), attempt()), 'unknown')
  })

  test('a reset after the packet leaves it unknown', async () => {
    const instead = (socket: Socket) => void socket.once('data', () => socket.resetAndDestroy())
    await using server = await nscaServer({ method: 1, password, outputBytes: 4096, instead })
    await fails(toServer(server.port).send(alert(), attempt()), 'unknown')
  })

  test('a daemon that hangs: certain before its greeting, unknown after the packet', async t => {
    const mute = createServer()
    await using place = await listening(mute)
    let came: Promise<unknown> = once(mute, 'connection')
    const controller = new AbortController()
    const given = toServer(place.port).send(alert(), attempt('a', controller.signal))
    await came
    controller.abort()
    await fails(given, 'retry')
    const { promise, resolve } = Promise.withResolvers<void>()
    const instead = (socket: Socket) => void socket.once('data', () => resolve())
    await using server = await nscaServer({ method: 1, password, outputBytes: 4096, instead })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    came = promise
    const late = toServer(server.port, {}, { timeout: 5000 }).send(alert(), attempt('b'))
    await came
    t.mock.timers.tick(5000)
    assert.match((await fails(late, 'unknown')).message, /not taken within 5000 ms/)
  })
})

test('settings that cannot be right are refused by name', () => {
  const nsca = { host: 'h' }
  const wrong: [NagiosSettings, RegExp][] = [
    [{ host: 'h' }, /^commandFile/],
    [{ host: 'h', commandFile: '/x', nsca }, /^commandFile/],
    [{ host: 'h', commandFile: 'relative' }, /^commandFile/],
    [{ host: 'a;b', nsca }, /^host/],
    [{ host: 'x'.repeat(64), nsca }, /^host/],
    [{ host: 'h', service: 'a\nb', nsca }, /^service/],
    [{ host: 'h', nsca: { ...nsca, port: 0 } }, /^nsca\.port/],
    [{ host: 'h', nsca: { ...nsca, encryption: 'des' as never } }, /^nsca\.encryption/],
    [{ host: 'h', nsca: { ...nsca, outputBytes: 100 as never } }, /^nsca\.outputBytes/],
  ]
  for (const [settings, message] of wrong)
    assert.throws(() => nagiosChannel(settings), { code: 'OPTION_INVALID', message })
})
