/** `npm run docs`: writes the pages that are made from the code. Build first. */
import {readFileSync, writeFileSync} from 'node:fs'
import {COMMANDS_PAGE, commandsPage, filled, WIRE_PAGE, wireTables} from './pages.ts'
import {REPO_ROOT} from '../support/kv.ts'

writeFileSync(REPO_ROOT + COMMANDS_PAGE, commandsPage())
writeFileSync(REPO_ROOT + WIRE_PAGE, filled(readFileSync(REPO_ROOT + WIRE_PAGE, 'utf8'), wireTables()))
