/**
 * The log of a long-running command, on stderr: JSON lines for machines, readable lines on a terminal. Written
 * synchronously, so that the last line before an exit is not lost. Nothing logs keys, values or secrets at info level
 * or above.
 */
import type {Logger} from 'pino'
import {styleFor} from './style.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Loads pino only here: no other command should pay for it. */
export async function makeLogger(level: LogLevel): Promise<Logger> {
  const {pino} = await import('pino')
  const options = {level, base: {pid: process.pid}}
  if (!process.stderr.isTTY) return pino(options, pino.destination({fd: 2, sync: true}))
  const {default: pretty} = await import('pino-pretty')
  const colorize = styleFor(process.stderr).level > 0
  return pino(
    options,
    pretty({destination: 2, sync: true, colorize, singleLine: true, ignore: 'pid', translateTime: 'SYS:HH:MM:ss'}),
  )
}
