// `npm run test:chaos`: thousands of requests over all that costs money, through gateways, a limiter, a queue, a consumer and a D1
// that are killed, cut off and lied to at every point on the way to the ledger. When all has settled, the providers' own books,
// the ledger and the limiter agree to the nano-dollar, attempt by attempt; what died with a gateway is told apart by its id.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { campaign, type Campaign } from './campaign.ts'
import { Control } from './control.ts'
import { type Evidence, evidenceOf } from './evidence.ts'
import { POINTS } from './points.ts'
import { Centre, type Providers, readDirectory, removeFolders, startGateway, startProviders } from './processes.ts'
import { type Reckoning, reckon } from './reckoning.ts'
import { type Keys, setUp } from './setup.ts'
import { tables } from './table.ts'
import { build } from './workers.ts'

const REQUESTS = Number(process.env['CHAOS_REQUESTS'] ?? 3_000)
const SEED = Number(process.env['CHAOS_SEED'] ?? 1)

const control = new Control()
let providers: Providers
let centre: Centre
let keys: Keys
let run: Campaign
let evidence: Evidence
let reckoning: Reckoning

beforeAll(async () => {
  const built = await build()
  providers = await startProviders(built)
  await control.start()
  const addresses = { controlUrl: control.url, providersUrl: providers.url }
  centre = await Centre.start(built, addresses)
  control.centre = centre
  keys = await setUp(centre.gateway, providers.url)
  const directory = await readDirectory(centre.mf)
  let serial = 0
  run = await campaign({
    seed: SEED,
    run: `s${SEED}`,
    requests: REQUESTS,
    control,
    centre,
    keys,
    startGateway: () => startGateway(built, ++serial, { addresses, directory }),
  })
  evidence = await evidenceOf({ ...run, control, keys }, { centre, providersUrl: providers.url })
  reckoning = reckon(evidence)
  process.stdout.write(tables(evidence, reckoning, control))
}, 600_000)
afterAll(async () => {
  for (const gateway of run?.gateways ?? []) await gateway.stop()
  await centre?.stop()
  await providers?.stop()
  control.stop()
  await removeFolders()
})

describe(`seed ${SEED}`, () => {
  test('every point was struck', () => {
    const missed = Object.keys(POINTS).filter((point) => !new Map<string, number>(control.faults.struck).has(point))
    expect(missed).toEqual([])
  })

  test('books, ledger and limiter agree to the nano-dollar: nothing is lost, nothing counted twice', () => {
    expect(reckoning.problems).toEqual([])
    const { reported, seen, shared } = reckoning.piles
    for (const pile of [reported, seen, shared]) expect(pile.ledgerNanoUsd).toBe(pile.booksNanoUsd)
    for (const { spentNanoUsd } of reckoning.sides) expect(spentNanoUsd).toBeGreaterThan(0)
  })

  test('what died with a gateway was under way in it, or nobody could have been told of it', () => {
    const { lost, unheard } = reckoning.piles
    expect(lost.attempts + unheard.attempts).toBeGreaterThan(0)
    expect(reckoning.untold).toEqual([])
  })

  test('what was written off too early is corrected', () => {
    expect(reckoning.corrected).toBeGreaterThan(0)
  })
})
