// The recorded exchanges that tests are held against. They are data of others and not part of this repository: where the
// folder is missing, the tests that need it are left out and say so.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { arrayOf, countOf, objectOf, stringOf } from '../../src/wire/read.ts'

/** Where the recordings lie. */
export const CORPUS_DIR = process.env['CORPUS_DIR'] ?? path.resolve(import.meta.dirname, '../../../shared/corpus')

/** Why there is nothing to test against; null when there is. */
export const missingCorpus: string | null = existsSync(path.join(CORPUS_DIR, 'index.json'))
  ? null
  : `left out: no recorded exchanges in ${CORPUS_DIR} (set CORPUS_DIR)`

export interface Exchange {
  readonly id: string
  /** E.g. `openai.chat`, `gemini.generateContent`. */
  readonly api: string
  readonly provider: string
  readonly model: string
  readonly url: string
  readonly rank: number
  readonly isStreamed: boolean
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly requestBody: JsonObject
  /** The reply as text; of a binary stream, its bytes one character each. */
  readonly body: string
  readonly bytes: Uint8Array
  /** Byte lengths in which the body arrived; empty where they weren't recorded. */
  readonly chunkLengths: readonly number[]
}

/** Every API that was recorded; none where the recordings are missing. */
export function recordedApis(): readonly string[] {
  return [...new Set(indexRows().map((row) => String(row['api'])))].toSorted()
}

function indexRows(): readonly JsonObject[] {
  if (missingCorpus !== null) return []
  const index = parseJson(readFileSync(path.join(CORPUS_DIR, 'index.json'), 'utf8'))
  return arrayOf(index).map((row) => objectOf(row))
}

/** All exchanges of an API, in order of rank; none where the recordings are missing. */
export function loadExchanges(api: string): readonly Exchange[] {
  const rows = indexRows().filter((row) => row['api'] === api)
  const exchanges = rows.map((row) =>
    loadExchange(api, String(row['id']), countOf(row['rank']), row['stream'] === true),
  )
  return exchanges.toSorted((a, b) => a.rank - b.rank)
}

function loadExchange(api: string, id: string, rank: number, isStreamed: boolean): Exchange {
  const json = objectOf(parseJson(readFileSync(path.join(CORPUS_DIR, 'exchanges', `${id}.json`), 'utf8')))
  const response = objectOf(json['response'])
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(objectOf(response['headers']))) headers[name.toLowerCase()] = String(value)
  const binary = stringOf(response['body_base64'])
  const bytes =
    binary === null ? new TextEncoder().encode(stringOf(response['body']) ?? '') : Buffer.from(binary, 'base64')
  const body = binary === null ? (stringOf(response['body']) ?? '') : Buffer.from(bytes).toString('latin1')
  const request = objectOf(json['request'])
  const parsed = typeof request['body'] === 'string' ? parseJson(request['body']) : request['body']
  return {
    id,
    api,
    provider: stringOf(json['provider']) ?? '',
    model: stringOf(json['model']) ?? '',
    url: stringOf(request['url']) ?? '',
    rank,
    isStreamed: countOf(response['status']) === 200 && isStreamed,
    status: countOf(response['status']),
    headers,
    requestBody: isJsonObject(parsed) ? parsed : {},
    body,
    bytes,
    chunkLengths: arrayOf(response['chunk_lengths']).map((length) => countOf(length)),
  }
}

/** The body cut in six ways, each cruel in its own: whole, by byte, by seven, as recorded, inside characters, at lines. */
export function chunkings(exchange: Exchange): Readonly<Record<string, readonly Uint8Array[]>> {
  const { bytes } = exchange
  const recorded = exchange.chunkLengths.length > 0 ? exchange.chunkLengths : [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
  return {
    whole: [bytes],
    bytes: cut(bytes, () => 1),
    sevens: cut(bytes, () => 7),
    recorded: cut(bytes, (n) => Math.max(1, recorded[n % recorded.length] ?? 1)),
    characters: cutAfter(bytes, (byte) => byte >= 0xc0),
    lines: cutAfter(bytes, (byte) => byte === 13 || byte === 10 || byte === 58),
  }
}

function cut(bytes: Uint8Array, lengthOf: (n: number) => number): readonly Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const length = lengthOf(chunks.length)
    chunks.push(bytes.subarray(at, at + length))
    at += length
  }
  return chunks
}

function cutAfter(bytes: Uint8Array, isCut: (byte: number) => boolean): readonly Uint8Array[] {
  const chunks: Uint8Array[] = []
  let from = 0
  bytes.forEach((byte, at) => {
    if (!isCut(byte)) return
    chunks.push(bytes.subarray(from, at + 1))
    from = at + 1
  })
  return [...chunks, bytes.subarray(from)]
}
