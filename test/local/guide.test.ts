// What the README and the guide name is there: endpoints, headers, scripts, files, settings, kinds of log lines, and
// examples of what to send.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { readDocument } from '../../src/control-plane/configuration/declare.ts'
import { parseSource } from '../../src/local/cli/source-file.ts'
import { describeApi } from '../../src/local/openapi/describe.ts'

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> }
}
interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

const GUIDE = 'src/guide'
const FILES = ['README.md', ...readdirSync(GUIDE).map((name) => `${GUIDE}/${name}`)]
const TEXTS = FILES.map((file) => [file, readFileSync(file, 'utf8')] as const)
const description: Description = JSON.parse(JSON.stringify(describeApi()))

const SOURCES = ['src', 'durable-objects']
  .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`))
  .filter((file) => /\.(?:ts|tsx|mjs)$/.test(file))
const SOURCE = [...SOURCES, 'wrangler.toml', 'package.json'].map((file) => readFileSync(file, 'utf8')).join('\n')

/** `<id>` and the like. */
const PLACEHOLDER = /<[^<>\n]+>/g

/** All that `pattern` finds in a text, by its first group. */
function found(text: string, pattern: RegExp): readonly string[] {
  return [...new Set([...text.matchAll(pattern)].map(([whole, group]) => group ?? whole))]
}

/** The operations at a path, whatever its ids; null where there is no such path. */
function operationsAt(asked: string): Readonly<Record<string, Operation>> | null {
  const segments = asked.split('/')
  const fits = (known: string): boolean => {
    const parts = known.split('/')
    return (
      parts.length === segments.length &&
      parts.every((part, at) => part === segments[at] || (part.startsWith('{') && segments[at] !== ''))
    )
  }
  const exact = description.paths[asked]
  const known = exact === undefined ? Object.keys(description.paths).find(fits) : asked
  return known === undefined ? null : (description.paths[known] ?? null)
}

interface Command {
  readonly method: string
  readonly path: string
  readonly body: string | null
}

/** The calls of the shell function `admin` in a text's examples. */
function commandsIn(text: string): readonly Command[] {
  const blocks = found(text, /```sh\n([\s\S]*?)```/g).join('\n')
  const plain = blocks.replaceAll(PLACEHOLDER, 'an-id')
  return [...plain.matchAll(/^admin '?(\/[^\s'?]*).*(?:\n(?!admin |#|curl |npx ).+)*/gm)].map((match) => {
    const body = / -d '([^']*)'/.exec(match[0])?.[1] ?? null
    const method = / -X ([A-Z]+)/.exec(match[0])?.[1] ?? (body === null ? 'GET' : 'POST')
    return { method, path: `/admin${match[1] ?? ''}`, body }
  })
}

describe.each(TEXTS)('%s', (file, text) => {
  test('names endpoints that there are, by methods that they have', () => {
    const said = found(text.replaceAll(PLACEHOLDER, 'an-id'), /(?:GET|POST|PUT|PATCH|DELETE) \/admin\/[\w/-]+/g)
    // "GET /admin/<kind>" is any of them.
    const named = said.map((one) => one.split(' ')).filter(([, at = '']) => !at.startsWith('/admin/an-id'))
    const called = commandsIn(text).map(({ method, path: at }) => [method, at])
    const missing = [...named, ...called].filter(([method = '', at = '']) => {
      const operations = operationsAt(at)
      return operations?.[method.toLowerCase()] === undefined
    })
    expect(missing.map((one) => one.join(' '))).toEqual([])
  })

  test('sends what its endpoint takes', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    ajv.addSchema({ $id: 'api', components: description.components })
    const refused = commandsIn(text).flatMap(({ method, path: at, body }) => {
      const schema = operationsAt(at)?.[method.toLowerCase()]?.requestBody?.content['application/json']?.schema
      if (body === null || schema === undefined) return []
      const inApi: object = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/'))
      const check = ajv.compile(inApi)
      return check(JSON.parse(body)) ? [] : [[at, body, check.errors]]
    })
    expect(refused).toEqual([])
  })

  test('names headers and settings that the code knows', () => {
    const headers = found(text, /x-tidegate-[a-z-]*[a-z]/g)
    const settings = found(text, /`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?: = [^`]*)?`/g)
    expect([...headers, ...settings].filter((name) => !SOURCE.includes(name))).toEqual([])
  })

  test('names scripts that there are', () => {
    const scripts: object = JSON.parse(readFileSync('package.json', 'utf8')).scripts
    const named = [...found(text, /npm run ([\w:]+)/g), ...found(text, /npm (start|test)\b/g)]
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
  })

  test('leads to files and headings that there are', () => {
    const links = found(text, /\]\(([^)\s]+)\)/g).filter((link) => !/^[a-z]+:/.test(link))
    const broken = links.filter((link) => {
      const [at = '', heading] = link.split('#')
      const target = at === '' ? file : path.join(path.dirname(file), at)
      if (!existsSync(target)) return true
      return heading !== undefined && !headingsIn(readFileSync(target, 'utf8')).includes(heading)
    })
    expect(broken).toEqual([])
  })
})

function headingsIn(markdown: string): readonly string[] {
  return found(markdown, /^#+ (.+)$/gm).map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  )
}

test('examples are found', () => {
  const commands = TEXTS.flatMap(([, text]) => commandsIn(text))
  expect(commands.length).toBeGreaterThan(50)
  expect(commands.filter(({ body }) => body !== null).length).toBeGreaterThan(25)
})

test('the configuration that is shown is one that is taken', () => {
  const shown = found(readFileSync(`${GUIDE}/configuration.md`, 'utf8'), /```jsonc\n([\s\S]*?)```/g)
  expect(shown.length).toBeGreaterThan(0)
  for (const text of shown) {
    expect(readDocument(parseSource('tidegate.jsonc', text).value)).toMatchObject({ ok: true })
  }
})

test('every kind of log line is explained, and no other', () => {
  const operating = readFileSync(`${GUIDE}/operating.md`, 'utf8')
  const deployed = SOURCES.filter((file) => !/^src\/(?:local|simulated|dashboard|data-plane\/framing)\//.test(file))
  const code = deployed.map((file) => readFileSync(file, 'utf8')).join('\n')
  const kinds = found(code, /(?:\bevent: |\bwarn\(\s*)'([a-z]+(?:-[a-z]+)*)'/g)
  expect(kinds.length).toBeGreaterThan(40)
  expect(kinds.filter((kind) => !operating.includes(`\`${kind}\``))).toEqual([])
  const told = operating.slice(operating.indexOf('## At 2 AM'))
  const lines = found(told, /`W` ((?:`[a-z-]+`(?:, )?)+)/g).join()
  expect(found(lines, /`([a-z-]+)`/g).filter((kind) => !kinds.includes(kind))).toEqual([])
})
