// The description among the dashboard's files.
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ROOT } from '../bundle.ts'
import { describeApi } from './describe.ts'

/** Where the gateway serves it from: `/dashboard/openapi.json`. */
const FILE = path.join(ROOT, 'dist/assets/dashboard/openapi.json')

/** Writes it. */
export async function writeDescription(file: string = FILE): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify(describeApi())}\n`)
}
