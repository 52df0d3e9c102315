import type { Command } from '../delivery/commands.ts'
import { isDeliveryPart } from '../delivery/delivery.ts'
import { AldebaranError } from '../errors.ts'
import { partitionOf } from '../record/partitioner.ts'
import type { Application } from '../runtime/application.ts'
import type { SimulatedRecord } from './simulation-world.ts'

/**
 * What an operator tells a delivery, as records for a simulation: one for each of its tasks.
 * @throws AldebaranError NOT_FOUND
 */
export function deliveryCommand(application: Application, delivery: string, command: Command): SimulatedRecord[] {
  const part = application.topologies
    .flatMap(({ parts }) => parts.filter(isDeliveryPart))
    .find(({ name }) => name === delivery)
  if (part === undefined) {
    throw new AldebaranError('NOT_FOUND', `'${application.name}' has no delivery '${delivery}'`, { delivery })
  }
  const value = Buffer.from(JSON.stringify(command))
  return Array.from({ length: part.partitions }, (_, partition) => ({
    topic: part.control.name,
    key: keyOf(partition, part.partitions),
    value,
  }))
}

/** Some key that lies in the partition. */
function keyOf(partition: number, partitions: number): Buffer {
  for (let n = 0; ; n++) {
    const key = Buffer.from(String(n))
    if (partitionOf(key, 0, key.length, partitions) === partition) return key
  }
}
