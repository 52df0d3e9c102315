import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { AldebaranError } from '../../errors.ts'
import { Addresses } from './addresses.ts'

const strict = new Addresses()
const open = new Addresses({ http: true, ports: 'any' })

function refusal(addresses: Addresses, url: string): string | null {
  try {
    addresses.check(url)
    return null
  } catch (error) {
    assert.ok(error instanceof AldebaranError)
    assert.equal(error.code, 'ADDRESS_REFUSED')
    return error.message
  }
}

describe('addresses that nobody public has', () => {
  const refused: Record<string, string[]> = {
    loopback: ['127.0.0.1', '127.255.255.254', '[::1]', 'localhost', 'LOCALHOST', 'localhost.', 'a.localhost'],
    private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '[fc00::1]', '[fd12:3456::1]'],
    'metadata or link-local': [
      '169.254.169.254',
      '169.254.170.2',
      '[fd00:ec2::254]',
      '[fd20:ce::254]',
      '100.100.100.200',
      '192.0.0.192',
    ],
    'link-local': ['[fe80::1]', '[febf::1]'],
    'carrier-grade NAT': ['100.64.0.1', '100.127.255.255'],
    multicast: ['224.0.0.1', '239.255.255.255', '[ff02::1]'],
    unspecified: ['0.0.0.0', '0.1.2.3', '[::]'],
    broadcast: ['255.255.255.255'],
    reserved: [
      '240.0.0.1',
      '192.0.0.1',
      '192.0.2.1',
      '198.18.0.1',
      '198.51.100.1',
      '203.0.113.1',
      '[2001:db8::1]',
      '[3fff::1]',
      '[::8.8.8.8]',
      '[4000::1]',
    ],
    'IPv4 within IPv6': [
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[::ffff:8.8.8.8]',
      '[0:0:0:0:0:ffff:a9fe:1]',
      '[::ffff:0:127.0.0.1]',
      '[64:ff9b::127.0.0.1]',
      '[64:ff9b::8.8.8.8]',
      '[64:ff9b:1::7f00:1]',
      '[2002:7f00:1::]',
      '[2002:0a00:0001::1]',
      '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
    ],
  }
  for (const [kind, hosts] of Object.entries(refused)) {
    test(`${kind} addresses are refused`, () => {
      for (const host of hosts) {
        const message = refusal(open, `http://${host}/`)
        assert.ok(message !== null, host)
        // 169.254.0.0 as an IPv4 address within IPv6 is metadata first.
        assert.match(message, host.includes('a9fe') ? /metadata/ : new RegExp(`is a ${kind} address$`), host)
      }
    })
  }

  test('every way to write an IPv4 address is the address', () => {
    const ways = [
      '2130706433',
      '0x7f000001',
      '0x7F.0x0.0x0.0x1',
      '017700000001',
      '0177.0.0.01',
      '127.1',
      '127.0.1',
      '127.0.0.1.',
      '127。0。0。1',
      '１２７.0.0.1',
      '%31%32%37.0.0.1',
      '①②⑦.⓪.⓪.①',
    ]
    for (const host of ways) assert.match(refusal(open, `http://${host}/`) ?? '', /loopback/, host)
    assert.match(refusal(open, 'http://0251.0376.0251.0376/') ?? '', /metadata/)
    assert.match(refusal(open, 'http://2852039166/') ?? '', /metadata/)
  })

  test('public addresses and names are taken', () => {
    for (const host of ['8.8.8.8', '1.1.1.1', '[2606:4700:4700::1111]', 'hooks.example', 'xn--bcher-kva.example']) {
      assert.equal(refusal(strict, `https://${host}/`), null, host)
    }
  })

  test('every address of the refused ranges of IPv4 is refused, however it is written', () => {
    const inRange = fc.oneof(
      fc.integer({ min: 0x0a000000, max: 0x0affffff }),
      fc.integer({ min: 0x7f000000, max: 0x7fffffff }),
      fc.integer({ min: 0xa9fe0000, max: 0xa9feffff }),
      fc.integer({ min: 0xc0a80000, max: 0xc0a8ffff }),
      fc.integer({ min: 0xe0000000, max: 0xffffffff }),
    )
    const way = fc.constantFrom<(n: number) => string>(
      n => String(n),
      n => `0x${n.toString(16)}`,
      n => `0${n.toString(8)}`,
      n => `${n >>> 24}.${n & 0xffffff}`,
      n => [24, 16, 8, 0].map(shift => `0${((n >>> shift) & 255).toString(8)}`).join('.'),
      n => `[::ffff:${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}]`,
      n => `[64:ff9b::${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}]`,
      n => `[2002:${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}::]`,
    )
    fc.assert(fc.property(inRange, way, (n, write) => refusal(open, `http://${write(n)}/`) !== null))
  })
})

describe('the rest of an address', () => {
  test('only https, unless http is allowed; nothing else ever', () => {
    assert.match(refusal(strict, 'http://hooks.example/') ?? '', /http: is not allowed/)
    assert.equal(refusal(open, 'http://hooks.example/'), null)
    for (const url of ['ftp://hooks.example/', 'file:///etc/passwd', 'javascript:1', 'gopher://x/', 'unix:/run/x']) {
      assert.match(refusal(open, url) ?? '', /neither https: nor http:/, url)
    }
    for (const url of ['', 'hooks.example', '//hooks.example', 'https://', `https://a.example/${'x'.repeat(5000)}`]) {
      assert.match(refusal(open, url) ?? '', /not a URL/, url)
    }
  })

  test('credentials are refused, and not repeated', () => {
    const message = refusal(open, 'https://user:hunter2@hooks.example/') ?? ''
    assert.match(message, /credentials/)
    assert.doesNotMatch(message, /hunter2/)
    assert.match(refusal(open, 'https://public.example@127.0.0.1/') ?? '', /credentials/)
  })

  test('ports are those that are allowed', () => {
    assert.equal(refusal(strict, 'https://hooks.example:8443/'), null)
    for (const port of [22, 25, 80, 6379, 9092]) {
      assert.match(refusal(strict, `https://hooks.example:${port}/`) ?? '', /port \d+ is not allowed/)
    }
    const own = new Addresses({ ports: [9443] })
    assert.equal(refusal(own, 'https://hooks.example:9443/'), null)
    assert.match(refusal(own, 'https://hooks.example/') ?? '', /port 443/)
    assert.equal(refusal(new Addresses({ http: true }), 'http://hooks.example:8080/'), null)
  })

  test('a name is kept without the full stop behind it, a path with its query and without its fragment', () => {
    const { origin, path } = strict.check('https://Hooks.Example.:8443/a%20b/ä?q=1#part')
    assert.equal(origin, 'https://hooks.example:8443')
    assert.equal(path, '/a%20b/%C3%A4?q=1')
    assert.equal(strict.check('https://hooks.example').path, '/')
    for (const host of ['a..example', '.example', 'a.example..', `${'a'.repeat(60)}.`.repeat(5)]) {
      assert.notEqual(refusal(strict, `https://${host}/`), null, host)
    }
  })

  test('whatever the text is, it is refused, or an origin and a path without line breaks', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.webUrl(),
          fc.domain().map(name => `https://${name}`),
        ),
        text => {
          if (refusal(strict, text) !== null) return
          const { origin, path } = strict.check(text)
          assert.match(origin, /^https:\/\/[^\s/@]+$/)
          assert.match(path, /^\/[\x21-\x7e]*$/)
        },
      ),
    )
  })
})

describe('what is allowed', () => {
  test('ranges and addresses, of both kinds, and no more than those', () => {
    const some = new Addresses({ ports: 'any', allow: ['10.1.0.0/16', '192.168.0.7', 'fd00:1::/64', '::1'] })
    for (const host of ['10.1.255.1', '192.168.0.7', '[fd00:1::5]', '[::1]', '[::ffff:10.1.0.1]']) {
      assert.equal(refusal(some, `https://${host}/`), null, host)
    }
    for (const host of ['10.2.0.1', '192.168.0.8', '[fd00:2::5]', '127.0.0.1']) {
      assert.notEqual(refusal(some, `https://${host}/`), null, host)
    }
  })

  test('hosts, whatever their address, except metadata services', () => {
    const some = new Addresses({ allow: ['Hooks.Internal', '*.corp.example'] })
    assert.equal(some.refusal('10.0.0.1', 'hooks.internal'), null)
    assert.equal(some.refusal('10.0.0.1', 'a.b.corp.example'), null)
    assert.equal(some.refusal('10.0.0.1', 'corp.example'), 'private')
    assert.equal(some.refusal('10.0.0.1', 'evilcorp.example'), 'private')
    assert.equal(some.refusal('10.0.0.1', 'hooks.internal.example'), 'private')
    assert.equal(some.refusal('169.254.169.254', 'hooks.internal'), 'metadata or link-local')
    assert.equal(new Addresses({ allow: ['169.254.169.254'] }).refusal('169.254.169.254', 'x'), null)
  })

  test('a mistake in the rules is told', () => {
    for (const entry of ['10.0.0.0/33', '10.0.0/8', 'a b', '*', '*.', 'https://a.example', 'a.example:80', '']) {
      assert.throws(() => new Addresses({ allow: [entry] }), { code: 'OPTION_INVALID' }, entry)
    }
    for (const port of [0, 65_536, 1.5])
      assert.throws(() => new Addresses({ ports: [port] }), { code: 'OPTION_INVALID' })
  })
})
