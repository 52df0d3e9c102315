/** What the tests of interoperation run: it reads a topic that Java made, and writes one that Java reads. */
import { application, pipeline, text, topic } from '../../../src/index.ts'
import { NAME_VARIABLE } from './interop.ts'

// Worker threads load this file too: the environment tells them the same name.
const name = process.env[NAME_VARIABLE] ?? 'interop'
export const spoken = topic(`${name}.spoken`, { key: text(), value: text(), partitions: 2, external: true })
export const shouted = topic(`${name}.shouted`, { key: text(), value: text(), partitions: 2 })

const shout = pipeline('shout')
shout
  .from(spoken)
  .map(word => word.toUpperCase())
  .to(shouted)

export const app = application(name, { pipelines: [shout] })
