// A passed-through path stays on the target's host and within what the target's address is bound to, whatever is written.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { passedPath } from '../../src/core/guard/pass-through-path.ts'

test.each([
  ['https://api.openai.com/v1', '/v1/files', 'https://api.openai.com/v1/files'],
  ['https://api.openai.com/v1', '/files', 'https://api.openai.com/v1/files'],
  ['https://api.groq.com/openai/v1', '/v1/models', 'https://api.groq.com/openai/v1/models'],
  ['https://api.groq.com/openai/v1', '/openai/v1/models', 'https://api.groq.com/openai/v1/models'],
  [
    'https://ai.test/v1beta/openai',
    '/v1beta/models/x:generateContent',
    'https://ai.test/v1beta/models/x:generateContent',
  ],
  ['https://ai.test/v1beta', '/upload/v1beta/files', 'https://ai.test/upload/v1beta/files'],
  ['https://ai.test/v1beta', '/v1alpha/x', 'https://ai.test/v1alpha/x'],
  [
    'https://vertex.test/v1/projects/p',
    '/v1/projects/other/x',
    'https://vertex.test/v1/projects/p/v1/projects/other/x',
  ],
  ['https://vertex.test/v1/projects/p', '/v1/projects/p/x', 'https://vertex.test/v1/projects/p/x'],
  ['service://SIMULATED/openai/v1', '/v1/files', 'service://SIMULATED/openai/v1/files'],
  ['http://localhost:8080', '/metrics', 'http://localhost:8080/metrics'],
])('%s with %s leads to %s', (baseUrl, path, expected) => {
  const passed = passedPath(baseUrl, path)
  expect(passed.ok ? passed.value.baseUrl + passed.value.path : passed.error).toBe(expected)
})

test.each(['/../x', '/a/..', '/%2e%2e/x', '/a%2f..%2fb', '/a%252f..%252fb', '/a/..;/b', '/a\\b', '/%00', '/%zz'])(
  '%s is refused',
  (path) => {
    expect(passedPath('https://api.openai.com/v1', path).ok).toBe(false)
  },
)

test('no path leaves the host, nor a scope', () => {
  const segment = fc.oneof(
    fc.constantFrom(
      '..',
      '.',
      '%2e%2e',
      '%2F',
      '%5c',
      'v1',
      'v1beta',
      'projects',
      '@evil.test',
      '//evil.test',
      '?',
      '#',
      ':80',
    ),
    fc.string(),
  )
  const bases = ['https://api.test/v1', 'https://api.test/api/v2/scope/a', 'https://api.test', 'https://api.test/own']
  fc.assert(
    fc.property(fc.constantFrom(...bases), fc.array(segment), (base, segments) => {
      const { pathname } = new URL(`https://gateway.test/${segments.join('/')}`)
      const passed = passedPath(base, pathname)
      if (!passed.ok) return
      const url = new URL(passed.value.baseUrl + passed.value.path)
      expect(url.host).toBe('api.test')
      if (base.includes('scope')) expect(url.pathname.startsWith('/api/v2/scope/a')).toBe(true)
      if (base.includes('own')) expect(url.pathname.startsWith('/own')).toBe(true)
    }),
  )
})
