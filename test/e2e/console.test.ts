import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { CONSOLE, load } from './console-modules.ts'

interface Box {
  id: string
  width: number
  height: number
}
interface Link {
  from: string
  to: string
}
interface Place extends Box {
  x: number
  y: number
}
interface LayoutModule {
  layOut(
    boxes: Box[],
    links: Link[],
    settings?: { direction?: 'right' | 'down' },
  ): {
    width: number
    height: number
    places: Map<string, Place>
    routes: { from: string; to: string; index: number; points: { x: number; y: number }[] }[]
  }
  layersOf(ids: string[], links: Link[]): Map<string, number>
  withoutCircles(ids: string[], links: Link[]): (Link & { turned: boolean })[]
}
interface FormatModule {
  count(value: unknown): string
  exact(value: unknown): string
  rate(value: unknown): string
  bytes(value: unknown): string
  duration(value: unknown): string
  span(value: unknown): string
  percent(value: unknown): string
  clock(value: unknown): string
  shorten(text: string, most: number): string
  oneLine(value: unknown): string
}
interface FlowModule {
  flowsOf(app: unknown): { rate: number; isRead: boolean }[]
  sentencesOf(graph: unknown): string[]
}

const { layOut, layersOf, withoutCircles } = await load<LayoutModule>('graph-layout.js')
const format = await load<FormatModule>('format.js')
const { flowsOf, sentencesOf } = await load<FlowModule>('graph-flow.js')

const box = (id: string): Box => ({ id, width: 100, height: 40 })

/** Any graph, circles and links to nowhere included. */
const graphs = fc.integer({ min: 0, max: 9 }).chain(size =>
  fc.record({
    boxes: fc.constant(Array.from({ length: size }, (_, i) => ({ id: `n${i}`, width: 60 + i * 10, height: 30 + i }))),
    links: fc.array(
      fc.record({
        from: fc.integer({ min: 0, max: 9 }).map(i => `n${i}`),
        to: fc.integer({ min: 0, max: 9 }).map(i => `n${i}`),
      }),
      { maxLength: 16 },
    ),
  }),
)

describe('the layout of a drawing', () => {
  test('a chain lies on one line, from left to right, or downwards', () => {
    const links = [
      { from: 'a', to: 'b' },
      { from: 'b', to: 'c' },
    ]
    const right = layOut([box('c'), box('a'), box('b')], links)
    const [a, b, c] = ['a', 'b', 'c'].map(id => right.places.get(id)!)
    assert.ok(a!.x + a!.width < b!.x && b!.x + b!.width < c!.x)
    assert.equal(a!.y, b!.y)
    assert.equal(b!.y, c!.y)
    const down = layOut([box('c'), box('a'), box('b')], links, { direction: 'down' })
    assert.ok(down.places.get('a')!.y < down.places.get('b')!.y)
    assert.equal(down.places.get('a')!.x, down.places.get('b')!.x)
  })

  test('branches are drawn without a crossing where that is possible', () => {
    const ids = ['a', 'b', 'c', 'x', 'y', 'z']
    const links = [
      { from: 'a', to: 'z' },
      { from: 'b', to: 'y' },
      { from: 'c', to: 'x' },
    ]
    const { places } = layOut(ids.map(box), links)
    for (const { from, to } of links) assert.equal(places.get(from)!.y, places.get(to)!.y)
  })

  test('an edge over a layer runs around the node between', () => {
    const { places, routes } = layOut(['a', 'b', 'c'].map(box), [
      { from: 'a', to: 'b' },
      { from: 'b', to: 'c' },
      { from: 'a', to: 'c' },
    ])
    const long = routes.find(route => route.from === 'a' && route.to === 'c')!
    const { x, y, width, height } = places.get('b')!
    const over = long.points.filter(point => point.x >= x && point.x <= x + width)
    assert.ok(over.length >= 2)
    for (const point of over) assert.ok(point.y < y || point.y > y + height)
  })

  test('a node that nothing leads to stands just before what it leads to', () => {
    const layers = layersOf(
      ['a', 'b', 'c', 'late'],
      [
        { from: 'a', to: 'b' },
        { from: 'b', to: 'c' },
        { from: 'late', to: 'c' },
      ],
    )
    assert.deepEqual([...layers.values()], [0, 1, 2, 1])
  })

  test('a circle is opened at one edge, which is drawn back', () => {
    const links = [
      { from: 'a', to: 'b' },
      { from: 'b', to: 'a' },
    ]
    assert.deepEqual(
      withoutCircles(['a', 'b'], links).map(link => link.turned),
      [false, true],
    )
    const { routes } = layOut(['a', 'b'].map(box), links)
    assert.deepEqual(
      routes.map(({ from, to }) => [from, to]),
      [
        ['a', 'b'],
        ['b', 'a'],
      ],
    )
  })

  test('whatever the graph: all nodes within the drawing, none over another, and always the same', () => {
    fc.assert(
      fc.property(graphs, fc.constantFrom<'right' | 'down'>('right', 'down'), ({ boxes, links }, direction) => {
        const layout = layOut(boxes, links, { direction })
        assert.equal(layout.places.size, boxes.length)
        const places = [...layout.places.values()]
        for (const [i, a] of places.entries()) {
          assert.ok(a.x >= 0 && a.y >= 0, `${a.id} is outside`)
          assert.ok(a.x + a.width <= layout.width + 0.001 && a.y + a.height <= layout.height + 0.001)
          for (const b of places.slice(i + 1)) {
            const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
            assert.ok(apart, `${a.id} lies over ${b.id}`)
          }
        }
        for (const { points } of layout.routes) {
          for (const { x, y } of points) assert.ok(Number.isFinite(x) && Number.isFinite(y))
        }
        assert.deepEqual(layOut(boxes, links, { direction }), layout)
      }),
    )
  })
})

describe('numbers for people', () => {
  test('counts and rates in three figures', () => {
    assert.deepEqual([0, 950, 1000, 12_345, 4_561_000, 1e9].map(format.count), [
      '0',
      '950',
      '1 k',
      '12.3 k',
      '4.56 M',
      '1 G',
    ])
    assert.deepEqual([0, 0.01, 0.44, 9.96, 12.3, 999.6].map(format.rate), ['0', '0', '0.4', '10', '12', '1 k'])
    assert.equal(format.exact(1234567), '1 234 567')
  })

  test('bytes, durations, spans, parts', () => {
    assert.deepEqual([0, 1023, 1024, 1_048_575, 5e9].map(format.bytes), ['0 B', '1023 B', '1 KB', '1 MB', '4.66 GB'])
    assert.deepEqual([0.256, 12.34, 999.6, 61_000].map(format.duration), ['0.26 ms', '12.3 ms', '1 s', '1 min 1 s'])
    assert.deepEqual([0, 59_999, 3_600_000, 90_061_000].map(format.span), ['0 s', '59 s', '1 h', '1 d 1 h'])
    assert.deepEqual([0, 0.0001, 0.05, 0.5, 1].map(format.percent), ['0 %', '< 0.1 %', '5.0 %', '50 %', '100 %'])
  })

  test('what is not known is a dash, and never NaN', () => {
    const { count, exact, rate, bytes, duration, span, percent, clock, oneLine } = format
    for (const tell of [count, exact, rate, bytes, duration, span, percent, clock]) {
      for (const value of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(tell(value), '–')
    }
    assert.equal(oneLine(null), '–')
    assert.equal(clock(1e300), '–')
  })

  test('texts are cut by characters, not within one', () => {
    assert.equal(format.shorten('short', 5), 'short')
    assert.equal(format.shorten('🌟🌟🌟🌟', 3), '🌟🌟…')
    assert.equal(format.oneLine({ a: [1] }), '{"a":[1]}')
  })

  test('a number of any size is short', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e15, noNaN: true }), value => {
        for (const tell of [format.count, format.rate, format.bytes]) assert.ok(tell(value).length <= 9, tell(value))
      }),
    )
  })
})

describe('the flow along the edges', () => {
  const node = (id: string, kind: string, pipeline: string | null = null) => {
    const name = id.slice(id.indexOf(':') + 1)
    return { id, kind, name, label: name, pipeline, internal: false }
  }
  const graph = {
    nodes: [
      node('topic:in', 'topic'),
      node('operator:p/0', 'operator', 'p'),
      node('operator:p/1', 'operator', 'p'),
      node('table:p/t', 'table', 'p'),
      node('topic:out', 'topic'),
    ],
    edges: [
      { from: 'topic:in', to: 'operator:p/0', kind: 'records' },
      { from: 'operator:p/0', to: 'operator:p/1', kind: 'records' },
      { from: 'operator:p/1', to: 'table:p/t', kind: 'state' },
      { from: 'operator:p/1', to: 'topic:out', kind: 'records' },
    ],
  }

  test('what a pipeline reads is measured, and carried on to the next topic, which has a figure of its own', () => {
    const flows = flowsOf({
      graph,
      topics: [
        { name: 'in', recordsPerSecond: 900 },
        { name: 'out', recordsPerSecond: 7 },
      ],
      groups: [{ pipeline: 'p', topics: [{ topic: 'in', recordsPerSecond: 500 }] }],
    })
    assert.deepEqual(
      flows.map(flow => flow.rate),
      [500, 500, 500, 7],
    )
    assert.deepEqual(
      flows.map(flow => flow.isRead),
      [true, false, false, false],
    )
  })

  test('is told in sentences too', () => {
    assert.deepEqual(sentencesOf(graph), [
      'topic in goes to operator p/0 of p.',
      'operator p/0 of p goes to operator p/1 of p.',
      'operator p/1 of p keeps its rows in table p/t, and goes to topic out.',
    ])
  })
})

describe('the files of the console', () => {
  const page = readFileSync(join(CONSOLE, 'index.html'), 'utf8')

  test('the page loads what is there, and nothing from elsewhere', () => {
    const loaded = [...page.matchAll(/<(?:link|script|img)\b[^>]*?(?:href|src)="([^"]+)"/g)].map(match => match[1]!)
    assert.ok(loaded.length >= 3)
    for (const path of loaded) {
      assert.match(path, /^\/console\/[\w-]+\.\w+$/)
      assert.ok(existsSync(join(CONSOLE, path.slice('/console/'.length))), path)
    }
    for (const name of readdirSync(CONSOLE).filter(file => /\.(?:js|css|html)$/.test(file))) {
      const text = readFileSync(join(CONSOLE, name), 'utf8').replaceAll('http://www.w3.org/2000/svg', '')
      assert.doesNotMatch(text, /https?:\/\/|@import|url\(/, name)
    }
  })

  test('modules import modules that are there', () => {
    for (const name of readdirSync(CONSOLE).filter(file => file.endsWith('.js'))) {
      const text = readFileSync(join(CONSOLE, name), 'utf8')
      for (const [, path] of text.matchAll(/^import .* from '([^']+)'/gm)) {
        assert.ok(existsSync(join(CONSOLE, path!)), `${name} imports ${path}`)
      }
    }
  })

  test('nothing is parsed as HTML or run as code, and the page itself has neither script nor style in it', () => {
    for (const name of readdirSync(CONSOLE).filter(file => file.endsWith('.js'))) {
      const text = readFileSync(join(CONSOLE, name), 'utf8')
      assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, name)
    }
    assert.doesNotMatch(page, /<style|<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=/)
  })

  test('every element that the modules ask for by its id is in the page', () => {
    const ids = new Set([...page.matchAll(/\bid="([^"]+)"/g)].map(match => match[1]!))
    const modules = readdirSync(CONSOLE).filter(file => file.endsWith('.js'))
    const text = modules.map(name => readFileSync(join(CONSOLE, name), 'utf8')).join('\n')
    const asked = [...text.matchAll(/(?:element|byId)\('([\w-]+)'/g)].map(match => match[1]!)
    assert.ok(asked.length > 10)
    for (const id of asked) assert.ok(ids.has(id), id)
  })
})
