/**
 * The cities that are known: the 15,000 most populous of GeoNames, and the three airports of the recorded weather.
 *
 * 1. A city has a number, its place among all: by population, then the airports. It never changes while a program runs.
 */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

export interface City {
  /** The geonameid, or the code of an airport. */
  readonly id: string
  readonly name: string
  /** ISO 3166, two letters */
  readonly country: string
  /** Degrees, WGS 84 */
  readonly lat: number
  readonly lon: number
  /** 0: nobody lives there. */
  readonly population: number
  /** 'Asia/Tokyo' */
  readonly timezone: string
}

export interface CityFilter {
  /** How the name begins; case and accents do not matter. */
  search?: string | undefined
  /** ISO 3166, two letters, in any case */
  country?: string | undefined
  /** At most so many. */
  limit: number
  /** Only cities behind this number. */
  after?: number | undefined
}

const AIRPORTS: readonly City[] = [
  airport('EWR', 'Newark Liberty Airport', 40.6925, -74.168667),
  airport('JFK', 'John F. Kennedy Airport', 40.639751, -73.778925),
  airport('LGA', 'LaGuardia Airport', 40.777245, -73.872608),
]

/** Letters that are no other letter with a mark, and signs that nobody types. */
const LETTERS: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ħ: 'h',
  ı: 'i',
  ə: 'e',
  '‘': "'",
  '’': "'",
  '–': '-',
}

export class CityDirectory {
  /** By number. */
  readonly cities: readonly City[]
  readonly #numbers: ReadonlyMap<string, number>
  /** Names without case and accents in ascending order, and whose they are. */
  readonly #names: readonly { readonly name: string; readonly number: number }[]

  constructor(cities: readonly City[]) {
    this.cities = cities
    this.#numbers = new Map(cities.map(({ id }, number) => [id, number]))
    this.#names = cities
      .map(({ name }, number) => ({ name: folded(name), number }))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.number - b.number))
  }

  /** Reads the file beside this one. About 60 ms. */
  static load(): CityDirectory {
    const bytes = readFileSync(new URL('./data/cities15000.csv.gz', import.meta.url))
    return new CityDirectory([...parseCities(gunzipSync(bytes).toString()), ...AIRPORTS])
  }

  /** Undefined: there is none of that id. */
  numberOf(id: string): number | undefined {
    return this.#numbers.get(id)
  }

  /** The numbers of those that pass, ascending: by population, descending. */
  find({ search = '', country, limit, after = -1 }: CityFilter): number[] {
    const wanted = country?.toUpperCase()
    const passes = (number: number) =>
      number > after && (wanted === undefined || this.cities[number]!.country === wanted)
    const prefix = folded(search)
    if (prefix !== '') {
      return this.#beginning(prefix)
        .filter(passes)
        .sort((a, b) => a - b)
        .slice(0, limit)
    }
    const found: number[] = []
    for (let number = after + 1; number < this.cities.length && found.length < limit; number++) {
      if (passes(number)) found.push(number)
    }
    return found
  }

  #beginning(prefix: string): number[] {
    const names = this.#names
    let low = 0
    for (let high = names.length; low < high; ) {
      const middle = (low + high) >>> 1
      if (names[middle]!.name < prefix) low = middle + 1
      else high = middle
    }
    const found: number[] = []
    for (; names[low]?.name.startsWith(prefix) === true; low++) found.push(names[low]!.number)
    return found
  }
}

/** Without case and accents: 'Kraków' as 'krakow'. */
function folded(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^\0-\x7f]/g, letter => LETTERS[letter] ?? letter)
    .trim()
}

function parseCities(csv: string): City[] {
  const [, ...lines] = csv.trimEnd().split('\n')
  return lines.map(line => {
    // A name alone may be quoted.
    const [, id, quoted, plain, country, lat, lon, population, timezone] =
      /^(\d+),(?:"((?:[^"]|"")*)"|([^,]*)),(\w\w),([-.\d]+),([-.\d]+),(\d+),(.+)$/.exec(line)!
    return {
      id: id!,
      name: quoted?.replaceAll('""', '"') ?? plain!,
      country: country!,
      lat: Number(lat),
      lon: Number(lon),
      population: Number(population),
      timezone: timezone!,
    }
  })
}

function airport(id: string, name: string, lat: number, lon: number): City {
  return { id, name, country: 'US', lat, lon, population: 0, timezone: 'America/New_York' }
}
