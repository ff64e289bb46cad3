// The policy of pass-through only ever narrows, and what counts as running a model is never reached by another path or method.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inferenceAt } from '../../src/catalog/inference.ts'
import { keptReference } from '../../src/catalog/kept-at-provider.ts'
import { PROVIDERS } from '../../src/catalog/providers.ts'
import { passedPath } from '../../src/core/guard/pass-through-path.ts'
import { PASS_THROUGH_POLICIES, isWider, narrowerPolicy } from '../../src/core/guard/pass-through-policy.ts'

const policy = fc.constantFrom(...PASS_THROUGH_POLICIES)

test('a key has no more than its tenant, and no more than its own', () => {
  fc.assert(
    fc.property(policy, fc.option(policy), (tenants, keys) => {
      const both = narrowerPolicy(tenants, keys)
      expect(isWider(both, tenants)).toBe(false)
      expect(keys !== null && isWider(both, keys)).toBe(false)
      expect([tenants, keys]).toContain(both)
    }),
  )
})

describe('what runs a model', () => {
  // But for what a server's own model may be called: `/<model>/invocations`, `/deployments/<model>/…`.
  const WORDS = [
    'v1',
    'v1beta',
    'v2',
    'openai',
    'files',
    'batches',
    'threads',
    'messages',
    'chat',
    'completions',
    'responses',
    'models',
    'm:generateContent',
    'm:delete',
    'tunedModels',
    'cachedContents',
    'model',
    'converse',
    'invoke',
    'embeddings',
    'api',
    'pull',
  ]
  const path = fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 6 })
  const bases = PROVIDERS.flatMap(({ baseUrl, dialect }) =>
    baseUrl === null ? [] : [{ dialect, baseUrl: baseUrl.replaceAll(/\{\w+\}/g, 'x') }],
  )

  test('is only ever posted, to a path that names nothing that is kept', () => {
    fc.assert(
      fc.property(fc.constantFrom(...bases), path, ({ dialect, baseUrl }, words) => {
        const passed = passedPath(baseUrl, `/${words.join('/')}`)
        if (!passed.ok) throw new Error(passed.error)
        for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'HEAD']) {
          expect(inferenceAt(dialect, method, passed.value)).toBeNull()
        }
        if (inferenceAt(dialect, 'POST', passed.value) === null) return
        const kept = /^(?:files|batches|threads|tunedModels|cachedContents|pull)$|:delete/
        expect(words.filter((word, at) => kept.test(word) && words[at - 1] !== 'model')).toEqual([])
      }),
      { numRuns: 20_000 },
    )
  })

  test('is found at every provider with an address, however the client writes the path', () => {
    const asked: Partial<Record<(typeof bases)[number]['dialect'], readonly string[]>> = {
      'openai-chat': ['/chat/completions', '/v1/chat/completions'],
      'anthropic-messages': ['/messages', '/v1/messages', '/model/m/invoke'],
      gemini: ['/models/m:generateContent', '/publishers/google/models/m:generateContent'],
      'bedrock-converse': ['/model/m/converse'],
      cohere: ['/chat', '/v2/chat'],
    }
    for (const { dialect, baseUrl } of bases) {
      const found = (asked[dialect] ?? []).map((at) => {
        const passed = passedPath(baseUrl, at)
        return passed.ok ? inferenceAt(dialect, 'POST', passed.value) : null
      })
      expect([baseUrl, found.some((one) => one?.kind === 'writes') || asked[dialect] === undefined]).toEqual([
        baseUrl,
        true,
      ])
    }
  })
})

test('whatever stands in a body without a name for what is kept refers to nothing', () => {
  const name = fc.constantFrom('text', 'type', 'role', 'content', 'input', 'url', 'id')
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.string(),
      fc.integer(),
      fc.array(tie('value')),
      fc.dictionary(name, tie('value')),
    ),
  })).value
  fc.assert(
    fc.property(fc.dictionary(name, json), (body) => {
      const parsed: Parameters<typeof keptReference>[0] = JSON.parse(JSON.stringify(body))
      expect(keptReference(parsed)).toBeNull()
      expect(keptReference({ messages: [{ content: [parsed, { file_id: 'f' }] }] })).toBe(
        'messages[0].content[1].file_id',
      )
    }),
  )
})
