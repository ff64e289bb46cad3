// What is imported from other gateways: documents that ours takes, and reports in which every field of theirs has its fate. The
// expected files beside the foreign ones were read line by line.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readDocument } from '../../src/control-plane/configuration/declare.ts'
import { importLitellm } from '../../src/local/cli/import-litellm.ts'
import { importPortkey } from '../../src/local/cli/import-portkey.ts'
import { reportLines } from '../../src/local/cli/import.ts'
import { type Imported, leavesOf } from '../../src/local/cli/importing.ts'
import { parseSource } from '../../src/local/cli/source-file.ts'

const read = (name: string) => readFileSync(path.join(import.meta.dirname, 'imports', name), 'utf8')
const foreign = (name: string) => parseSource(name, read(name)).value

const KINDS: readonly (readonly [name: string, file: string, run: (source: unknown) => Imported])[] = [
  ['LiteLLM', 'litellm.yaml', (source) => importLitellm(source, {})],
  ['Portkey', 'portkey.json', (source) => importPortkey(source)],
]

/** Whether a path, or something around it, is in the report. */
function isTold(leaf: string, { report: { carried, changed, dropped } }: Imported): boolean {
  return [...carried, ...changed, ...dropped].some(({ from }) => {
    return leaf === from || leaf.startsWith(`${from}.`) || leaf.startsWith(`${from}[`)
  })
}

describe.each(KINDS)('a config of %s', (_, file, run) => {
  const imported = run(foreign(file))
  const base = file.replace(/\.\w+$/, '')

  it('becomes a document that the gateway takes', () => {
    expect(imported.document).toEqual(foreign(`${base}.expected.json`))
    expect(readDocument(imported.document)).toMatchObject({ ok: true })
  })

  it('is told of field by field: what was carried over, what is otherwise, what has no place', () => {
    expect(reportLines(imported.report)).toEqual(read(`${base}.report.txt`).trimEnd().split('\n'))
  })

  it('loses no field in silence, and shows no secret', () => {
    expect(leavesOf(foreign(file), '').filter((leaf) => !isTold(leaf, imported))).toEqual([])
    const told = JSON.stringify([imported.document, imported.report])
    for (const secret of ['sk-1234', 'sk-very-secret', 'hunter2', 'sk-1"']) expect(told).not.toContain(secret)
  })

  it('may be anything at all: nothing is thrown, and no field is lost', () => {
    const names = [
      'model_list',
      'litellm_params',
      'model_name',
      'model',
      'router_settings',
      'fallbacks',
      'targets',
      'strategy',
      'mode',
      'conditions',
      'query',
      'override_params',
      'provider',
      'cache',
      'retry',
      'x',
    ]
    const words = ['gpt-4o', 'openai/gpt-4o', 'loadbalance', 'fallback', 'conditional', 'openai', '*', '']
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom(...words),
        fc.constantFrom(0, 1, -1, 0.5, true, null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 4 }),
      ),
    }))
    fc.assert(
      fc.property(value, (source) => {
        const made = run(source)
        expect(leavesOf(source, '').filter((leaf) => !isTold(leaf, made))).toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})

it.each([
  ['usage-based-routing-v2', ['custom-a', 'custom-b'], 'dropped'],
  [
    'simple-shuffle',
    [
      { target: 'custom-a', weight: 3 },
      { target: 'custom-b', weight: 1 },
    ],
    'carried',
  ],
] as const)('weights go with %s as it goes by them', (routing_strategy, members, fate) => {
  const deployment = (model: string, weight: number) => ({
    model_name: 'm',
    litellm_params: { model: `openai/${model}`, api_base: `https://${model}.example/v1`, weight },
  })
  const config = { model_list: [deployment('a', 3), deployment('b', 1)], router_settings: { routing_strategy } }
  const { document, report } = importLitellm(config, {})
  expect(document.routes).toMatchObject([{ model: 'm', group: { members } }])
  expect(report[fate].map(({ from }) => from)).toContain('model_list[0].litellm_params.weight')
})

it('an address in an environment variable that is set is carried over', () => {
  const { document } = importLitellm(foreign('litellm.yaml'), { VLLM_BASE: 'http://vllm.internal:8000/v1' })
  expect(document.targets).toContainEqual(
    expect.objectContaining({
      provider: 'custom',
      base_url: 'http://vllm.internal:8000/v1',
      credential: null,
      auth: 'none',
    }),
  )
  // The lower order first, then the other.
  expect(document.routes).toContainEqual(
    expect.objectContaining({
      model: 'local',
      group: { strategy: 'priority', members: ['custom-facebook-opt-125m', 'vllm-facebook-opt-1.3b'] },
    }),
  )
})
