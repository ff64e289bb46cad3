// No model id can change a path's depth, host or query; documented resource names are taken as they are.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { geminiFamily, geminiModelPath } from '../../src/wire/gemini.ts'
import { pathSegment } from '../../src/wire/path-segment.ts'
import { TARGET } from '../support/target.ts'

const STUDIO: Target = TARGET
const VERTEX: Target = { ...TARGET, settings: { host: 'vertex' } }
const SPITEFUL = [
  '.',
  '..',
  '../..',
  '%2e%2e',
  '//evil.test',
  '/..;/',
  'a/../b',
  '?key=1',
  '#',
  'x\r\nHost: y',
  '\\..\\',
  '\u{d800}',
]

const anyId = fc.oneof(
  fc.constantFrom(...SPITEFUL),
  fc.string({ unit: 'binary' }),
  fc
    .tuple(fc.constantFrom('models/', 'tunedModels/', 'publishers/google/models/', 'endpoints/', ''), fc.string())
    .map(([prefix, rest]) => prefix + rest),
)

function urlOf(path: string): URL {
  return new URL(`https://provider.test/v1beta/projects/p${path}:generateContent?alt=sse`)
}

describe('model ids in paths', () => {
  test('a segment is one segment, whatever is in it', () => {
    fc.assert(
      fc.property(anyId, (id) => {
        const url = new URL(`https://provider.test/a/${pathSegment(id)}/z?q=1`)
        expect(url.host).toBe('provider.test')
        expect(url.pathname.split('/')).toHaveLength(4)
        expect(url.pathname).toMatch(/^\/a\/.*\/z$/)
        expect([url.search, url.hash]).toEqual(['?q=1', ''])
      }),
    )
  })

  test.each([
    [STUDIO, 6, 6],
    [VERTEX, 6, 8],
  ])('no model id changes host, depth or query', (target, least, most) => {
    fc.assert(
      fc.property(anyId, (id) => {
        const url = urlOf(geminiModelPath(id, target))
        expect(url.host).toBe('provider.test')
        expect([url.search, url.hash]).toEqual(['?alt=sse', ''])
        const segments = url.pathname.split('/')
        expect(segments.slice(0, 4)).toEqual(['', 'v1beta', 'projects', 'p'])
        expect(segments.length).toBeGreaterThanOrEqual(least)
        expect(segments.length).toBeLessThanOrEqual(most)
        expect(segments.at(-1)).toMatch(/:generateContent$/)
      }),
    )
  })

  test.each([
    ['gemini-2.5-flash', '/models/gemini-2.5-flash', '/publishers/google/models/gemini-2.5-flash'],
    ['models/gemini-2.5-flash', '/models/gemini-2.5-flash', '/publishers/google/models/gemini-2.5-flash'],
    ['publishers/google/models/gemini-3', '/models/gemini-3', '/publishers/google/models/gemini-3'],
    [
      'publishers/lighthouse/models/l-1',
      '/models/publishers%2Flighthouse%2Fmodels%2Fl-1',
      '/publishers/lighthouse/models/l-1',
    ],
    ['tunedModels/tide-1', '/tunedModels/tide-1', '/tunedModels/tide-1'],
    ['endpoints/123', '/endpoints/123', '/endpoints/123'],
    ['models/../secrets', '/models/models%2F..%2Fsecrets', '/publishers/google/models/models%2F..%2Fsecrets'],
    ['tunedModels/a/b', '/models/tunedModels%2Fa%2Fb', '/publishers/google/models/tunedModels%2Fa%2Fb'],
  ])('%s', (model, studio, vertex) => {
    expect(geminiModelPath(model, STUDIO)).toBe(studio)
    expect(geminiModelPath(model, VERTEX)).toBe(vertex)
  })

  test.each([
    ['gemini-2.5-pro', 2.5, true, false],
    ['models/gemini-3.1-pro-preview', 3.1, true, false],
    ['gemini-flash-lite-latest', 3, false, false],
    ['publishers/google/models/gemini-3-flash-preview', 3, false, false],
    ['gemma-3-27b-it', 3, false, true],
    ['tunedModels/tide', null, false, false],
  ])('the family of %s', (model, version, isPro, isGemma) => {
    expect(geminiFamily(model)).toEqual({ version, isPro, isGemma })
  })
})
