/** What the person at `kv top` has chosen, and what each key does to it. Pure: a key goes in, another choice comes out. */
import type {TopModel, TopNode} from './model.ts'

export type Screen = 'nodes' | 'node' | 'buckets' | 'help'

export const SORTS = ['address', 'ops', 'p99', 'memory', 'clients', 'masters'] as const
export type Sort = (typeof SORTS)[number]

export interface Ui {
  readonly screen: Screen
  readonly sort: Sort
  /** Part of an address, an id or a role; empty: everything. */
  readonly filter: string
  /** The filter is being typed. */
  readonly isTyping: boolean
  /** Id of the node under the cursor; null: the first. */
  readonly selected: string | null
}

export const FIRST_UI: Ui = {screen: 'nodes', sort: 'address', filter: '', isTyping: false, selected: null}

/** A key as node:readline names it; `text`: what it would write. */
export interface Key {
  readonly name: string
  readonly text: string
  readonly ctrl: boolean
}

/** Null: it is over. */
export function press(ui: Ui, key: Key, model: TopModel): Ui | null {
  if (key.ctrl && (key.name === 'c' || key.name === 'd')) return null
  if (ui.isTyping) return type(ui, key)
  switch (key.name === '' ? key.text : key.name) {
    case 'q':
      return null
    case 'up':
    case 'k':
      return moveCursor(ui, model, -1)
    case 'down':
    case 'j':
      return moveCursor(ui, model, 1)
    case 's':
      return {...ui, sort: SORTS[(SORTS.indexOf(ui.sort) + 1) % SORTS.length]!}
    case 'b':
      return {...ui, screen: ui.screen === 'buckets' ? 'nodes' : 'buckets'}
    case 'return':
    case 'enter':
    case 'right':
      return ui.screen === 'nodes' ? {...ui, screen: 'node', selected: selectedNode(ui, model)?.id ?? null} : ui
    case 'escape':
    case 'left':
    case 'backspace':
      return ui.screen === 'nodes' ? {...ui, filter: ''} : {...ui, screen: 'nodes'}
    default:
      if (key.text === '/') return {...ui, screen: 'nodes', isTyping: true, filter: ''}
      return key.text === '?' ? {...ui, screen: ui.screen === 'help' ? 'nodes' : 'help'} : ui
  }
}

function type(ui: Ui, key: Key): Ui {
  if (key.name === 'return' || key.name === 'enter') return {...ui, isTyping: false}
  if (key.name === 'escape') return {...ui, isTyping: false, filter: ''}
  if (key.name === 'backspace') return {...ui, filter: ui.filter.slice(0, -1)}
  return /^[ -~]$/.test(key.text) ? {...ui, filter: ui.filter + key.text} : ui
}

function moveCursor(ui: Ui, model: TopModel, step: number): Ui {
  const rows = shownNodes(ui, model)
  const at = rows.findIndex(({id}) => id === ui.selected)
  const next = rows[Math.min(Math.max(Math.max(at, 0) + step, 0), rows.length - 1)]
  return next ? {...ui, selected: next.id} : ui
}

/** The rows of the table: filtered, the largest first unless it is by address. */
export function shownNodes({filter, sort}: Pick<Ui, 'filter' | 'sort'>, {nodes}: TopModel): TopNode[] {
  const word = filter.toLowerCase()
  const rows = nodes.filter(({address, id, role, status}) =>
    `${address} ${id} ${role} ${status}`.toLowerCase().includes(word),
  )
  const weight = WEIGHTS[sort]
  return rows.sort((a, b) => weight(b) - weight(a) || a.address.localeCompare(b.address, 'en', {numeric: true}))
}

const WEIGHTS: Readonly<Record<Sort, (node: TopNode) => number>> = {
  address: () => 0,
  ops: ({opsPerSecond}) => opsPerSecond ?? -1,
  p99: ({p99Us}) => p99Us ?? -1,
  memory: ({memoryBytes}) => memoryBytes ?? -1,
  clients: ({clients}) => clients ?? -1,
  masters: ({masters}) => masters,
}

/** The node under the cursor: the one that was chosen, as long as it is there. */
export function selectedNode(ui: Ui, model: TopModel): TopNode | undefined {
  const rows = shownNodes(ui, model)
  const chosen = ui.screen === 'node' ? model.nodes : rows
  return chosen.find(({id}) => id === ui.selected) ?? rows[0]
}
