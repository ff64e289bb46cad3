// Addresses with a target's settings in them: no setting can become more than a name.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fillAddress, namesIn } from '../../src/catalog/address.ts'
import { PROVIDERS } from '../../src/catalog/providers.ts'

const templates = PROVIDERS.flatMap(({ baseUrl }) => (baseUrl !== null && baseUrl.includes('{') ? [baseUrl] : []))

describe('addresses', () => {
  test('are filled from the settings', () => {
    const settings = { location: 'europe-west4', project: 'tide-1' }
    expect(fillAddress('https://{location}-x.test/v1/projects/{project}/{location}', settings)).toEqual({
      ok: true,
      value: 'https://europe-west4-x.test/v1/projects/tide-1/europe-west4',
    })
    expect(fillAddress('https://x.test/v1')).toEqual({ ok: true, value: 'https://x.test/v1' })
  })

  test('say which setting is missing', () => {
    expect(fillAddress('https://{region}.x.test', {})).toEqual({
      ok: false,
      error: { setting: 'region', isMissing: true },
    })
  })

  test('of every provider keep their host and path, whatever the settings', () => {
    expect(templates.length).toBeGreaterThan(3)
    fc.assert(
      fc.property(fc.constantFrom(...templates), fc.oneof(fc.string(), fc.webUrl(), fc.domain()), (template, text) => {
        const settings = Object.fromEntries(namesIn(template).map((name) => [name, text]))
        const filled = fillAddress(template, settings)
        if (!filled.ok) return
        const url = new URL(filled.value)
        const plain = new URL(template.replaceAll(/\{[a-z]+\}/g, 'x'))
        expect(url.host.endsWith(plain.host.split('x').at(-1) ?? '')).toBe(true)
        expect(url.pathname.split('/').length).toBe(plain.pathname.split('/').length)
        expect(url.search + url.hash + url.username).toBe('')
      }),
    )
  })
})
