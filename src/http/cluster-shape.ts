/** What `GET /cluster` tells of an application. */
export interface ApplicationCluster {
  application: string
  status: 'ok' | 'failing'
  /** Of this process. */
  problems: { worker: number | null; code: string | null; message: string }[]
  /** This process first. */
  nodes: ClusterNode[]
  /** Those of this process. */
  workers: ClusterWorker[]
  groups: { group: string; lag: number }[]
}

export interface ClusterNode {
  node: string
  /** Where other nodes reach it; null: no other node can share its tasks. */
  endpoint: string | null
  /** Where it serves HTTP; null: nowhere. */
  api: string | null
  /** This process. */
  own: boolean
  state: 'connecting' | 'alive' | 'suspect' | 'dead' | 'gone'
  roundTripMs: number | null
  /** Tasks: PART/PARTITION. */
  active: string[]
  standby: string[]
  /** Records of changelogs that a standby has still to read, by task; null: only that node knows. */
  standbyLag: Record<string, number> | null
}

/** Tasks it has, and those it has not given up or not restored yet. */
export interface ClusterWorker {
  worker: number
  state: string
  problem: string | null
  active: readonly string[]
  restoring: readonly string[]
  closing: readonly string[]
  standby: readonly { readonly id: string; readonly lag: number }[]
}
