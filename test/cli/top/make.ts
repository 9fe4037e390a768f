/** Made-up clusters and what their nodes say. */
import {durationsOf, type NodeWords, type Snapshot} from '../../../src/cli/top/snapshot.ts'
import type {ClusterState, MemberState} from '../../../src/cli/cluster-state.ts'

export function member(n: number, fields: Partial<MemberState> = {}): MemberState {
  return {
    ...{
      id: String(n).repeat(40),
      incarnation: 'i',
      host: `10.0.0.${n}`,
      port: 7379,
      peerHost: `10.0.0.${n}`,
      peerPort: 17_379,
    },
    ...{
      slot: n,
      isVoterOnly: false,
      isDown: false,
      isLeaving: false,
      role: n === 1 ? 'leader' : 'voter',
      isVoter: true,
    },
    ...{masters: 5_000, copies: 10_000, syncing: 0, isConnected: true, unackedBytes: 0},
    ...fields,
  }
}

export function state(members: readonly MemberState[], fields: Partial<ClusterState> = {}): ClusterState {
  return {
    ...{
      version: 1,
      clusterId: 'c'.repeat(40),
      self: '1'.repeat(40),
      revision: 7,
      leader: '1'.repeat(40),
      isAdmitted: true,
    },
    ...{replicas: 1, wantedCopies: 2, isBalancing: false, term: 3, hasLease: true, joinProblem: '', lost: '', down: ''},
    ...{members, underReplicated: '', moves: [], ranges: []},
    ...fields,
  }
}

export function words(
  figures: Readonly<Record<string, string | number>>,
  durations: readonly number[] = [],
): NodeWords {
  const entries = Object.entries(figures).map(([name, value]): [string, string] => [name, String(value)])
  return {
    figures: new Map(entries),
    durations: durationsOf(['get', ['calls', 1, 'histogram_usec', durations]]),
  }
}

export function snapshot(
  seconds: number,
  seen: ClusterState | null,
  nodes: Readonly<Record<number, NodeWords | string>> = {},
): Snapshot {
  const byId = Object.entries(nodes).map(([n, said]): [string, NodeWords | string] => [n.repeat(40), said])
  return {
    ...{atMs: seconds * 1_000, time: Date.UTC(2026, 10, 22, 10) + seconds * 1_000, state: seen},
    error: seen === null ? 'nothing listens there.' : null,
    nodes: new Map(byId),
  }
}
