export { VirtualClock } from '../time/clock.ts'
export { deliveryCommand } from './delivery-command.ts'
export { type Driver, type DriverOptions, drive } from './drive.ts'
export { encodeRecord } from './encode-record.ts'
export {
  type Receiver,
  type Receivers,
  type ReceiverWorld,
  type Reply,
  type SentTry,
  takesAll,
  unreliable,
} from './outside.ts'
export { SeededRandom } from './random.ts'
export type { DeadLetter, ReadRecord } from './read-topic.ts'
export {
  DEFAULT_FAULTS,
  type Faults,
  type Scenario,
  type SimulationOptions,
  type SimulationResult,
  type SimulationSpec,
  simulate,
} from './simulate.ts'
export type { SimulationEnd } from './simulation-end.ts'
export type { SimulatedRecord } from './simulation-world.ts'
