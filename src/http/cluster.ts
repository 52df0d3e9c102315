/** The nodes of the applications, and which tasks each has. */
import { hostname } from 'node:os'
import type { Running } from '../runtime/start.ts'
import type { ApplicationCluster, ClusterNode } from './cluster-shape.ts'
import { lagsOf } from './lag.ts'
import type { Site } from './site.ts'

export async function clusterOf(site: Site): Promise<ApplicationCluster[]> {
  return await Promise.all(site.applications.map(async running => await describe(site, running)))
}

async function describe(site: Site, running: Running): Promise<ApplicationCluster> {
  const { status, problems } = running.health()
  const lags = await lagsOf(running, await site.topicsOf(running), false)
  return {
    application: running.application.name,
    status,
    problems,
    nodes: nodesOf(running),
    workers: running.workers.map(({ state, problem, owned }, worker) => ({
      worker,
      state,
      problem: problem?.message ?? null,
      ...owned,
    })),
    groups: [...Map.groupBy(lags, lag => lag.group)].map(([group, parts]) => ({
      group,
      lag: parts.reduce((sum, { lag }) => sum + lag, 0),
    })),
  }
}

function nodesOf(running: Running): ClusterNode[] {
  const own = running.workers.map(worker => worker.owned)
  // What this process knows of itself is newer than what the groups tell.
  const active = own.flatMap(owned => owned.active).sort(byTask)
  const standby = own.flatMap(owned => owned.standby.map(({ id }) => id)).sort(byTask)
  const standbyLag = Object.fromEntries(own.flatMap(owned => owned.standby.map(({ id, lag }) => [id, lag])))
  const nodes = running.nodes()
  if (nodes.length === 0) {
    const node = `${hostname()}-${process.pid}`
    const only = { node, endpoint: null, api: running.url, own: true, state: 'alive', roundTripMs: 0 } as const
    return [{ ...only, active, standby, standbyLag }]
  }
  return nodes.map(node =>
    node.own
      ? { ...node, active, standby, standbyLag }
      : { ...node, active: [...node.active].sort(byTask), standby: [...node.standby].sort(byTask), standbyLag: null },
  )
}

/** By part, then by partition. */
function byTask(a: string, b: string): number {
  const [partA, partitionA] = a.split('/') as [string, string]
  const [partB, partitionB] = b.split('/') as [string, string]
  return partA < partB ? -1 : partA > partB ? 1 : Number(partitionA) - Number(partitionB)
}
