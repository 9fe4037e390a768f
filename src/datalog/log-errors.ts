/** What can be wrong with a data log as a whole, as errors for a person: each with what to do about it. */
import {KvError} from '../errors.ts'
import {describeErrno} from '../disk/durable-file.ts'
import type {LogDamage} from './types.ts'

/** Passes errors of ours on and puts the others into words. */
export function logError(dir: string, error: unknown): KvError {
  if (error instanceof KvError) return error
  return new KvError(
    'E_LOG',
    `the data log ${dir} cannot be read or written: ${describeErrno(error)}`,
    'check the room on its disk and the rights of the user that runs kv',
  )
}

export function noLog(dir: string): KvError {
  return new KvError('E_LOG', `there is no data log in ${dir}`, 'name the folder that holds the .kvlog files')
}

export function logInUse(dir: string, pid: number | null): KvError {
  const words =
    pid === null ? 'is taken by one starting process after the other' : `is written by a running process (pid ${pid})`
  return new KvError('E_LOG_IN_USE', `the data log ${dir} ${words}`, 'stop that one first, or use another folder')
}

export function damaged({file, offset, words}: LogDamage): KvError {
  return new KvError(
    'E_LOG_DAMAGED',
    `${file} is damaged at byte ${offset}: ${words}`,
    'see what is lost with kv log verify; read what is left with --salvage',
  )
}

export function missing(dir: string, first: number, last: number): KvError {
  const words = first === last ? `segment ${first} is` : `segments ${first} to ${last} are`
  return new KvError(
    'E_LOG_MISSING',
    `${words} missing in the data log ${dir}`,
    'bring the files back; or read what is left with --salvage',
  )
}

export function foreign(file: string, found: string, wanted: string): KvError {
  return new KvError(
    'E_LOG_FOREIGN',
    `${file} is of cluster ${found}, not of ${wanted}`,
    'keep the logs of two clusters in two folders',
  )
}

export function unknownFormat(file: string, words: string): KvError {
  return new KvError('E_LOG_FORMAT', `${file} was ${words}`, 'read it with the kv that wrote it, or a newer one')
}
