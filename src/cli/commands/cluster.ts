import type { Command } from 'commander'
import type { ApplicationCluster, ClusterNode } from '../../http/cluster-shape.ts'
import type { Session } from '../session.ts'
import { countText, taskText } from '../show-values.ts'

/** What another node does not answer within this time is left out, ms. */
const NODE_MS = 2000

/** A node with what it alone knows. */
interface NodeDetails extends ClusterNode {
  application: string
  problems: string[]
}

export function define(command: Command, session: Session): void {
  command
    .option('--only-this', 'ask this process alone, and not the other nodes for what only they know')
    .action((options: { onlyThis?: boolean }) => cluster(session, options.onlyThis === true))
}

async function cluster(session: Session, onlyThis: boolean): Promise<void> {
  const { api, out } = session
  const { applications } = await api.get<{ applications: ApplicationCluster[] }>('/cluster')
  const details = await Promise.all(
    applications.flatMap(one => one.nodes.map(node => detailsOf(session, one, node, onlyThis))),
  )
  out.rows<NodeDetails>(
    [
      { header: 'APPLICATION', cell: node => node.application },
      { header: 'NODE', cell: node => `${node.node}${node.own ? ' *' : ''}` },
      { header: 'STATE', cell: node => node.state },
      { header: 'ROUND TRIP', cell: roundTripText, right: true },
      { header: 'PEERS AT', cell: node => node.endpoint },
      { header: 'API', cell: node => node.api, flexible: true },
      { header: 'ACTIVE', cell: node => node.active.length, right: true },
      { header: 'STANDBY', cell: node => node.standby.length, right: true },
    ],
    details,
    'No application runs here.',
  )
  if (out.json) return
  for (const node of details) {
    out.text('')
    out.text(out.style('bold', `${node.application} on ${node.node}`))
    out.text(`  active   ${taskText(node.active)}`)
    if (node.standby.length > 0) out.text(`  standby  ${standbyText(node)}`)
    for (const problem of node.problems) out.text(`  ${out.style('red', 'problem')}  ${problem}`)
  }
  out.text('')
  for (const { groups } of applications) {
    for (const { group, lag } of groups) out.text(`${group} is ${countText(lag)} records behind`)
  }
}

/** Problems and how far standbys are is known to their node alone. */
async function detailsOf(
  session: Session,
  { application, problems }: ApplicationCluster,
  node: ClusterNode,
  onlyThis: boolean,
): Promise<NodeDetails> {
  if (node.own) return { ...node, application, problems: problems.map(({ message }) => message) }
  const unknown = { ...node, application, problems: [] }
  if (onlyThis || node.api === null || node.state === 'dead' || node.state === 'gone') return unknown
  try {
    const other = session.apiAt(node.api, AbortSignal.timeout(NODE_MS))
    const { applications } = await other.get<{ applications: ApplicationCluster[] }>('/cluster')
    const found = applications.find(one => one.application === application)
    const itself = found?.nodes.find(one => one.own && one.node === node.node)
    if (found === undefined || itself === undefined) return unknown
    const { active, standby, standbyLag } = itself
    return { ...unknown, active, standby, standbyLag, problems: found.problems.map(({ message }) => message) }
  } catch {
    // Its API may listen for its own machine alone.
    return unknown
  }
}

function standbyText({ standby, standbyLag }: NodeDetails): string {
  if (standbyLag === null) return taskText(standby)
  const behind = standby.filter(task => (standbyLag[task] ?? 0) > 0)
  const late = behind.map(task => `${task} by ${countText(standbyLag[task]!)}`)
  return `${taskText(standby)}${late.length === 0 ? ', up to date' : `, behind: ${late.join(', ')}`}`
}

function roundTripText({ roundTripMs, own }: NodeDetails): string | null {
  return own || roundTripMs === null ? null : `${roundTripMs.toFixed(1)} ms`
}
