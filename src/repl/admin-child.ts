/**
 * A command of kv, typed into the console: this very program once more, so that it is the same in here as in the shell.
 * It asks the console's node unless told otherwise; secrets go by the environment, as ever.
 */
import {spawn} from 'node:child_process'
import {fileURLToPath} from 'node:url'
import {formatAddress, type Address} from '../base/address.ts'
import type {Output} from './output.ts'

const LAUNCHER = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))

export interface AdminRun {
  readonly words: readonly string[]
  readonly out: Output
  readonly home: Address
  readonly password: string | undefined
  /** Somebody is there who can be asked. */
  readonly hasPerson: boolean
}

/** Resolves to true if it ended well. It says itself what went wrong. */
export async function runAdmin({words, out, home, password, hasPerson}: AdminRun): Promise<boolean> {
  const env = {
    ...process.env,
    KV_NODE: formatAddress(home),
    ...(password !== undefined && {KV_PASSWORD: password}),
  }
  const child = spawn(process.execPath, [LAUNCHER, ...words], {
    env,
    stdio: [hasPerson ? 'inherit' : 'ignore', out.stdio, 'inherit'],
  })
  const exited = new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false))
    child.once('close', (code) => resolve(code === 0))
  })
  if (child.stdout) for await (const chunk of child.stdout) await out.write(chunk as Buffer)
  return exited
}
