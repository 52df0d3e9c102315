/**
 * The addresses of a host, asked from servers of names.
 *
 * `dns.lookup` of Node is not used for it unless it is asked for: it blocks a thread of four for as long as a server of
 * names is silent, so that one dead domain would delay the others; and it completes names by the domains of this network.
 */
import { lookup, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { AldebaranError, messageOf } from '../../errors.ts'
import { isLoopbackName, LOOPBACK } from './addresses.ts'

/**
 * `servers`: those the machine is configured with. `system`: as other programs of this machine find addresses, with its
 * files and search domains. A list: these servers, each `address` or `address:port`.
 */
export type NameService = 'servers' | 'system' | readonly string[]

/** One try, and how many. */
const TIMEOUT_MS = 2000
const TRIES = 3

export class HostResolver {
  readonly #resolver: Resolver | null
  /** Connections of one host are opened together: they share one question. */
  readonly #asking = new Map<string, Promise<readonly string[]>>()

  /** @throws AldebaranError OPTION_INVALID */
  constructor(names: NameService) {
    this.#resolver = names === 'system' ? null : new Resolver({ timeout: TIMEOUT_MS, tries: TRIES })
    if (typeof names === 'string') return
    try {
      this.#resolver?.setServers(names)
    } catch (error) {
      throw new AldebaranError('OPTION_INVALID', `names: ${messageOf(error)}`, { option: 'names' }, error)
    }
  }

  /** One address at least, those of IPv4 first. */
  resolve(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return Promise.resolve([host])
    if (isLoopbackName(host)) return Promise.resolve(LOOPBACK)
    let asked = this.#asking.get(host)
    if (asked === undefined) {
      asked = this.#ask(host).finally(() => this.#asking.delete(host))
      this.#asking.set(host, asked)
    }
    return asked
  }

  close(): void {
    this.#resolver?.cancel()
  }

  async #ask(host: string): Promise<readonly string[]> {
    const resolver = this.#resolver
    if (resolver === null) return (await lookup(host, { all: true, order: 'ipv4first' })).map(({ address }) => address)
    const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    const addresses = [
      ...(four.status === 'fulfilled' ? four.value : []),
      ...(six.status === 'fulfilled' ? six.value : []),
    ]
    if (addresses.length > 0) return addresses
    throw four.status === 'rejected' ? four.reason : new Error(`${host} has no address`)
  }
}
