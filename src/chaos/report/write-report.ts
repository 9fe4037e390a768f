/** Puts report.json and report.html into a folder, each whole or not at all: a run that is killed while it writes must not leave half a report that looks like one. */
import {mkdir, rename, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {reportHtml, reportJson} from './report.ts'
import type {RunRecord} from '../run-record.ts'

/** Makes the folder if need be; resolves to the paths of report.html and report.json. Rejects with the system's error, for instance of a full disk. */
export async function writeReport(folder: string, record: RunRecord): Promise<readonly string[]> {
  await mkdir(folder, {recursive: true})
  const [html, json] = [join(folder, 'report.html'), join(folder, 'report.json')]
  // The JSON first: the other can be made from it.
  await put(json, reportJson(record))
  await put(html, reportHtml(record))
  return [html, json]
}

async function put(path: string, text: string): Promise<void> {
  const unfinished = `${path}.part`
  await writeFile(unfinished, text)
  await rename(unfinished, path)
}
