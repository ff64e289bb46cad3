// Every recorded reply, read by the AI SDK's provider models and by our dialects: text, reasoning, calls, the reason for the
// end and the counts are the same, or the difference is of a kind that is explained (differential-explained.ts).
import { afterAll, describe, expect, test } from 'vitest'
import { EXPLANATIONS, differingAspects } from './differential-explained.ts'
import { READ_BY_BOTH, toldByAiSdk, toldByUs } from './differential-readings.ts'
import { loadExchanges, missingCorpus } from './exchanges.ts'

if (missingCorpus !== null) {
  console.warn(`replies read by two readers: ${missingCorpus}`)
  test.skip(`replies read by two readers: ${missingCorpus}`, () => {})
}

interface Count {
  same: number
  explained: number
  unexplained: number
}

const counts = new Map<string, Count>()
const explained = new Map<string, number>()

afterAll(() => {
  if (missingCorpus !== null) return
  const rows = [...counts].map(
    ([api, { same, explained: n, unexplained }]) => `| ${api} | ${same} | ${n} | ${unexplained} |`,
  )
  const reasons = EXPLANATIONS.map(({ name, reason }) => `| ${name} | ${explained.get(name) ?? 0} | ${reason} |`)
  const head = ['| recorded | read alike | explained | unexplained |', '|---|--:|--:|--:|']
  console.log([...head, ...rows, '', '| explained | replies | because |', '|---|--:|---|', ...reasons].join('\n'))
})

for (const api of READ_BY_BOTH) {
  const replies = loadExchanges(api).filter(({ status }) => status === 200)
  describe.runIf(replies.length > 0)(`recorded ${api}`, () => {
    const count: Count = { same: 0, explained: 0, unexplained: 0 }
    counts.set(api, count)

    test.each(replies.map((exchange) => [exchange.id, exchange] as const))('%s', async (_, exchange) => {
      const difference = { exchange, theirs: await toldByAiSdk(exchange), ours: toldByUs(exchange) }
      const aspects = differingAspects(difference)
      const reasons = EXPLANATIONS.filter(
        (known) => known.aspects.some((aspect) => aspects.includes(aspect)) && known.holds(difference),
      )
      for (const { name } of reasons) explained.set(name, (explained.get(name) ?? 0) + 1)
      const open = aspects.filter((aspect) => !reasons.some((known) => known.aspects.includes(aspect)))
      count[aspects.length === 0 ? 'same' : open.length === 0 ? 'explained' : 'unexplained'] += 1
      const { theirs, ours } = difference
      expect(open.map((aspect) => ({ aspect, theirs: theirs[aspect], ours: ours[aspect] }))).toEqual([])
    })
  })
}
