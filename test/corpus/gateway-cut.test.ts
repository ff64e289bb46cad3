// Recorded streams that are cut off in the middle, through the whole gateway: whatever the wire and whoever asks, the client
// is told of an error after what was said so far, and never reads a reply that ends.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRoute, createTenant } from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'
import { CLIENTS, askAs } from './compare-clients.ts'
import { type Exchange, loadExchanges, missingCorpus, recordedApis } from './exchanges.ts'
import { type StandIn, standInSecrets, startStandIn, targetFor, wireOf } from './gateway-stand-in.ts'
import { type Expected, expectedOf } from './naive.ts'

if (missingCorpus !== null) test.skip(`recorded exchanges, cut off: ${missingCorpus}`, () => {})

const isAll = process.env['CORPUS_ALL'] === '1'

/** How each wire says that a reply is whole. Bytes in base64 (Bedrock's invoke) show it only at their end. */
const WHOLE =
  /finish_?reason": ?"\w|stop_reason": ?"\w|"finishReason": ?(?:"|\d)|"done": ?true|response\.(?:completed|incomplete)"|message-end|stream-end|messageStop|\[DONE\]/

/** A recorded stream, and its first half. */
interface Cut {
  readonly exchange: Exchange
  readonly whole: Expected
}

function firstHalf(exchange: Exchange): Exchange {
  const half = Math.floor(exchange.bytes.length / 2)
  return {
    ...exchange,
    bytes: exchange.bytes.subarray(0, half),
    body: Buffer.from(exchange.bytes.subarray(0, half)).toString(),
  }
}

/** The first halves of good streams that don't say by then that they are whole: one of each provider, or all. */
function cuts(): readonly Cut[] {
  const found = new Map<string, Cut>()
  for (const exchange of recordedApis().flatMap((api) => loadExchanges(api))) {
    const name = isAll ? exchange.id : `${exchange.api} ${exchange.provider}`
    if (!exchange.isStreamed || found.has(name) || wireOf(exchange) === null) continue
    const whole = expectedOf(exchange)
    const half = firstHalf(exchange)
    if (whole.isError || WHOLE.test(half.body)) continue
    found.set(name, { exchange: half, whole })
  }
  return [...found.values()]
}

const all = cuts()

describe.runIf(all.length > 0)('recorded streams, cut off in the middle', () => {
  let system: TestSystem
  let provider: StandIn
  let key: string

  beforeAll(async () => {
    provider = await startStandIn(all.map(({ exchange }) => exchange))
    system = await startTestSystem({ simulated: false, secrets: standInSecrets(provider.url) })
    key = (await createTenant(system, 'acme')).key
    for (const { exchange } of all) {
      const wire = wireOf(exchange)
      if (wire !== null) await createRoute(system, `~${exchange.id}~*`, [targetFor(exchange.id, wire, provider)])
    }
  }, 120_000)
  afterAll(async () => {
    await provider.close()
    await system.dispose()
  })

  test.each(all.map((cut) => [cut.exchange.id, cut] as const))(
    '%s: is an error to every client, after what was said',
    async (id, { exchange, whole }) => {
      for (const name of CLIENTS) {
        const client = await askAs(name, { url: system.url, key }, `~${id}~${name}`, exchange.isStreamed)
        expect([name, client.isError]).toEqual([name, true])
        // Before anything was said, it is an error response: another target could still have answered.
        if (client.status !== 200) expect([client.status, client.blame]).toEqual([502, 'provider'])
        const text = whole.choices[0]?.text ?? ''
        expect(text.startsWith(client.choices[0]?.text ?? '')).toBe(true)
      }
    },
    30_000,
  )
})
