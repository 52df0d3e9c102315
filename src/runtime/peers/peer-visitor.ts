/** A node that dialled this one: it proves itself, and is answered. It watches us; we do not watch it. */
import type { Socket } from 'node:net'
import { deserialize, serialize } from 'node:v8'
import { AldebaranError, messageOf } from '../../errors.ts'
import { Channel } from './channel.ts'
import { type AskProblem, type Frame, LARGEST_FRAME, PROTOCOL } from './frames.ts'
import type { Endpoint, PeerInfo } from './peer-info.ts'
import { type Challenges, isChallenge, newChallenge, prove, proves } from './proof.ts'

export interface VisitorSettings {
  /** '': none is needed. */
  readonly secret: string
  readonly info: () => PeerInfo
  readonly answer: (question: unknown) => Promise<unknown>
  /** It proved itself: there is a node at that endpoint. */
  readonly onVisit: (endpoint: Endpoint) => void
  readonly onMessage: (message: unknown, node: string) => void
}

export class PeerVisitor {
  /** The node that visits; null: it did not prove itself yet. */
  node: string | null = null
  /** When something came last. */
  heardAt: number
  readonly #settings: VisitorSettings
  readonly #channel: Channel
  #challenges: Challenges | null = null

  constructor(
    socket: Socket,
    settings: VisitorSettings,
    now: () => number,
    onEnd: (refused: boolean, reason: string) => void,
  ) {
    this.#settings = settings
    this.heardAt = now()
    this.#channel = new Channel(socket, {
      heard: () => {
        // Bytes of a stranger buy it no time.
        if (this.node !== null) this.heardAt = now()
      },
      frame: (frame, bytes) => this.#take(frame, bytes),
      ended: (_kind, reason) => onEnd(this.#channel.refused, reason),
    })
  }

  /** To one that did not prove itself nothing is sent. */
  send(frame: Frame): void {
    if (this.node !== null) this.#channel.send(frame)
  }

  refuse(reason: string): void {
    this.#channel.refuse(reason)
  }

  async leave(): Promise<void> {
    if (this.node === null) this.#channel.destroy()
    else await this.#channel.finish({ kind: 'goodbye' })
  }

  #take(frame: Frame, bytes: Buffer): string | null {
    if (this.#challenges === null) return this.#greet(frame)
    if (this.node === null) return this.#welcome(this.#challenges, frame)
    switch (frame.kind) {
      case 'ping':
        this.#channel.send({ kind: 'pong', at: frame.at })
        return null
      case 'ask':
        void this.#answer(frame.id, bytes)
        return null
      case 'tell':
        return this.#hear(this.node, bytes)
      default:
        return `a ${frame.kind} from the one that dialled`
    }
  }

  #greet(frame: Frame): string | null {
    if (frame.kind !== 'hello') return `a ${frame.kind} before the hello`
    if (frame.protocol !== PROTOCOL) return `protocol ${frame.protocol} of nodes, not ${PROTOCOL}: run one version`
    if (!isChallenge(frame.challenge)) return 'a challenge that is none'
    const listener = newChallenge()
    this.#challenges = { dialler: frame.challenge, listener }
    const proof = prove(this.#settings.secret, 'listener', this.#challenges)
    this.#channel.send({ kind: 'challenge', challenge: listener, proof })
    return null
  }

  #welcome(challenges: Challenges, frame: Frame): string | null {
    const { secret, info, onVisit } = this.#settings
    if (frame.kind !== 'proof') return `a ${frame.kind} before the proof`
    if (!proves(frame.proof, secret, 'dialler', challenges)) return 'the secrets differ'
    this.node = frame.node
    this.#channel.trust()
    this.#channel.send({ kind: 'welcome', info: info() })
    onVisit(frame.endpoint)
    return null
  }

  async #answer(id: number, bytes: Buffer): Promise<void> {
    try {
      const answer = serialize(await this.#settings.answer(deserialize(bytes)))
      if (answer.length <= LARGEST_FRAME / 2) return this.#channel.send({ kind: 'answer', id }, answer)
      throw new AldebaranError('BODY_TOO_LARGE', `an answer of ${answer.length} bytes to a node: ask for fewer rows`)
    } catch (error) {
      this.#channel.send({ kind: 'problem', id, ...problemOf(error) })
    }
  }

  #hear(node: string, bytes: Buffer): string | null {
    let message: unknown
    try {
      message = deserialize(bytes)
    } catch (error) {
      return `a message that cannot be read: ${messageOf(error)}`
    }
    this.#settings.onMessage(message, node)
    return null
  }
}

function problemOf(error: unknown): AskProblem {
  return error instanceof AldebaranError
    ? { code: error.code, message: error.message, details: error.details }
    : { code: 'INTERNAL', message: messageOf(error), details: {} }
}
