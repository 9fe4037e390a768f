/**
 * Run by `npm run build`: writes `.oclif.manifest.json`, from which oclif knows every command's flags and help without
 * importing the commands. oclif looks for it next to package.json only.
 */
import {Plugin} from '@oclif/core'
import {writeFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const plugin = new Plugin({root, type: 'core', ignoreManifest: true, errorOnManifestCreate: true})
await plugin.load()
writeFileSync(`${root}/.oclif.manifest.json`, JSON.stringify(plugin.manifest))
