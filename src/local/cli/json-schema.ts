// The JSON schema of the configuration's file, for editors: made from what the admin API takes, so that they never differ.
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import * as z from 'zod/mini'
import { PROVIDERS } from '../../catalog/providers.ts'
import { PROVIDER } from '../../control-plane/schemas.ts'
import { DOCUMENT } from '../../control-plane/configuration/schemas.ts'
import { ROOT } from '../bundle.ts'

/** Where the gateway serves it from: `/dashboard/tidegate.schema.json`. */
const FILE = path.join(ROOT, 'dist/assets/dashboard/tidegate.schema.json')

/** The schema as JSON. Checks that no schema can say are left to the gateway. */
export function jsonSchema(): object {
  const schema = z.toJSONSchema(DOCUMENT, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'ref',
    override: ({ zodSchema, jsonSchema: told }) => {
      if (zodSchema === PROVIDER) told.enum = PROVIDERS.map(({ name }) => name)
    },
  })
  return { title: 'Tidegate', description: 'The configuration of a Tidegate gateway.', ...schema }
}

/** Writes it among the dashboard's files. */
export async function writeSchema(file: string = FILE): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify(jsonSchema())}\n`)
}
