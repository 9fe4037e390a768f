import {BaseCommand} from '../../src/cli/base-command.ts'
import {contextsPath, readContexts} from '../../src/cli/contexts.ts'
import {prose} from '../../src/cli/prose.ts'
import {personalHint} from '../../src/cli/shell.ts'
import {renderTable} from '../../src/cli/table.ts'

export default class ContextList extends BaseCommand {
  static override summary = 'Show the contexts, and which is the current one.'
  static override description = prose`
    A star marks the current context, which decides where a command goes that has neither --node nor --context, if neither
    KV_NODE nor KV_CONTEXT is set.
  `
  static override examples = ['<%= config.bin %> context list']

  async run(): Promise<unknown> {
    await this.parse(ContextList)
    const {current, byName} = readContexts()
    const rows = [...byName].map(([name, {node, passwordFile}]) => [
      name === current ? '*' : '',
      name,
      node,
      passwordFile ?? '-',
    ])
    const columns = [{title: ''}, {title: 'NAME'}, {title: 'NODE'}, {title: 'PASSWORD FILE'}]
    if (rows.length > 0) this.print(renderTable(columns, rows, this.style.bold))
    else this.note(personalHint('There are no contexts. Make one: `kv context add NAME --node host:port`.'))
    const contexts = [...byName].map(([name, {node, passwordFile}]) => ({
      name,
      node,
      passwordFile: passwordFile ?? null,
    }))
    return {current, contexts, file: contextsPath()}
  }
}
