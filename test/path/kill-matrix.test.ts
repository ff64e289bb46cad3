// A provider dies in the middle of its stream, after a few of its bytes; `npm run test:kill` takes every one of them.
import { describe, expect, test } from 'vitest'
import { kill, recordings } from '../support/kill-matrix.ts'
import { killSuite, recordedKill } from '../support/kill-suite.ts'
import { CLIENTS } from '../support/kill-verdict.ts'

killSuite({ clients: CLIENTS, places: 6 })

test.each([0, 1])(
  'a choice that began with the last event before a reset is not finished: %i bytes of its end',
  async (more) => {
    const recording = recordings('openai-completions').find(({ name }) => name === 'several-choices')
    if (recording === undefined) throw new Error('there is no such recording')
    const one = await recordedKill({ client: 'completions' }, 'openai-completions', recording)
    const text = new TextDecoder().decode(one.bytes)
    // Choice 0 has its finish; this is the end of the first event of choice 1.
    const offset = text.indexOf('\n\n', text.indexOf(' flood')) + more
    expect(await kill(one, offset, 'reset')).toMatchObject({ verdict: 'declared' })
  },
)

describe('a reply of several choices whose stream breaks off', () => {
  test.each(['reset', 'end', 'silence'] as const)(
    'before the second has begun is not whole, though the first is finished: %s',
    async (death) => {
      const recording = recordings('openai-completions').find(({ name }) => name === 'several-choices')
      if (recording === undefined) throw new Error('there is no such recording')
      const text = new TextDecoder().decode(recording.bytes)
      const offset = text.indexOf('\n\n', text.indexOf('"stop"')) + 2
      for (const client of ['completions', 'chat'] as const) {
        const one = await recordedKill({ client }, 'openai-completions', recording)
        expect(await kill(one, offset, death), client).toMatchObject({ verdict: 'declared' })
        // By its last word, and where the client gets the provider's own bytes, with all of them finished.
        const behind = one.bytes.length - (client === 'completions' ? 'data: [DONE]\n\n'.length : 0)
        expect(await kill(one, behind, death), client).toMatchObject({ verdict: 'whole' })
      }
    },
  )
})
