/**
 * Run by `npm run build`: writes `.oclif.manifest.json`, from which oclif knows every command's flags and help without
 * importing the commands, and from the same manifest the shells' completion files. oclif looks for the manifest next to
 * package.json only; it is written last, so that a build is whole where it is.
 */
import {Plugin} from '@oclif/core'
import {mkdirSync, writeFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {grammarOf, SHELLS} from './completion/grammar.ts'
import {completionScript, FILE_NAMES} from './completion/scripts.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const plugin = new Plugin({root, type: 'core', ignoreManifest: true, errorOnManifestCreate: true})
await plugin.load()

const {topics} = plugin.pjson.oclif
const texts = Object.entries(topics ?? {}).map(([name, {description}]) => [name, description ?? ''] as const)
const grammar = grammarOf(plugin.manifest, Object.fromEntries(texts))
mkdirSync(`${root}/dist/completions`, {recursive: true})
for (const shell of SHELLS) {
  writeFileSync(`${root}/dist/completions/${FILE_NAMES[shell]}`, completionScript(shell, grammar))
}

writeFileSync(`${root}/.oclif.manifest.json`, JSON.stringify(plugin.manifest))
