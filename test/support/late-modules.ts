// Loads what the request path loads when it first needs it. A module comes from the disk, in real time: where a test holds the
// clock, virtual time would pass meanwhile, as much of it as the machine is busy.
import { readdirSync } from 'node:fs'
import path from 'node:path'

const SOURCES = path.resolve(import.meta.dirname, '../../src')

for (const folder of ['data-plane', 'protocols', 'dialects', 'catalog']) {
  const names = readdirSync(path.join(SOURCES, folder), { recursive: true, encoding: 'utf8' })
  for (const name of names.filter((one) => one.endsWith('.ts'))) await import(path.join(SOURCES, folder, name))
}
