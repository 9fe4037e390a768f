/** A terminal with a shell in it, for tests that look at the screen; it ends with the test. */
import {execFileSync} from 'node:child_process'
import {join} from 'node:path'
import {onTestFinished} from 'vitest'
import {REPO_ROOT} from '../support/kv.ts'
import {waitFor} from '../support/wait.ts'

export class Tmux {
  readonly #socket: string

  constructor(folder: string, width: number, height: number) {
    this.#socket = join(folder, 'tmux')
    this.#run('-f', '/dev/null', 'new-session', '-d', '-x', String(width), '-y', String(height), 'env PS1=ready: sh')
    onTestFinished(() => void this.#run('kill-server'))
  }

  #run(...args: readonly string[]): string {
    return execFileSync('tmux', ['-S', this.#socket, ...args], {cwd: REPO_ROOT, encoding: 'utf8'})
  }

  /** `keys`: as `tmux send-keys` names them. */
  type(...keys: readonly string[]): void {
    this.#run('send-keys', ...keys)
  }

  resize(width: number, height: number): void {
    this.#run('resize-window', '-x', String(width), '-y', String(height))
  }

  screen(): string {
    return this.#run('capture-pane', '-p')
  }

  async shows(what: RegExp): Promise<string> {
    return waitFor(`the screen shows ${what.source}`, () => (what.test(this.screen()) ? this.screen() : undefined))
  }
}
