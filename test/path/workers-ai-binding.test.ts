// Workers AI through a binding: the call reaches it, what it says comes back as its REST API would have said it.
import { describe, expect, test } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import { workersAi } from '../../src/dialects/workers-ai/index.ts'
import { fetchUpstream } from '../../src/platform/upstream.ts'
import { TARGET } from '../support/target.ts'

const MODEL = '@cf/meta/llama-3.3-70b-instruct-fp8-fast'
const ON_BINDING: Target = { ...TARGET, dialect: 'workers-ai', baseUrl: 'ai://AI', model: MODEL }

/** A binding that does as it is told, and what it was called with. */
function binding(run: () => unknown): { calls: unknown[]; run: (model: string, input: unknown) => Promise<unknown> } {
  const calls: unknown[] = []
  return {
    calls,
    run: async (model, input) => {
      calls.push([model, input])
      return run()
    },
  }
}

async function call(run: () => unknown): Promise<{ response: Response; calls: readonly unknown[] }> {
  const ai = binding(run)
  const upstream = fetchUpstream({ AI: ai })
  const { signal } = new AbortController()
  const response = await upstream.call(ON_BINDING, workersAi.probe(ON_BINDING), 'workers-ai', signal)
  return { response, calls: ai.calls }
}

describe('Workers AI through a binding', () => {
  test('is called with the model and the body', async () => {
    const { response, calls } = await call(() => ({ response: 'ok' }))
    expect(calls).toEqual([[MODEL, parseJson(workersAi.probe(ON_BINDING).body)]])
    const reply = fold(workersAi.read(parseJson(await response.text()) ?? null, ON_BINDING))
    expect(reply.choices[0]?.parts).toEqual([{ kind: 'text', text: 'ok' }])
  })

  test('streams events', async () => {
    const events = 'data: {"response":"ok"}\n\ndata: [DONE]\n\n'
    const { response } = await call(() => new Response(events).body)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(await response.text()).toBe(events)
  })

  test.each([
    ['3040: Capacity temporarily exceeded, please try again.', 429, 'throttled'],
    ['InferenceUpstreamError: 5007: No such model @cf/none or task', 400, 'client'],
    ['AiError: something else', 500, 'server'],
  ])('%s has the status %i', async (message, status, failureClass) => {
    const { response } = await call(() => {
      throw new Error(message)
    })
    expect(response.status).toBe(status)
    const failure = workersAi.fail(status, response.headers, await response.text(), 0)
    expect(failure).toMatchObject({ class: failureClass, message: message.replace(/^.*\d{4}: /, '') })
  })

  test('has to be there', async () => {
    const { signal } = new AbortController()
    const call = fetchUpstream({}).call(ON_BINDING, workersAi.probe(ON_BINDING), 'workers-ai', signal)
    await expect(call).rejects.toThrow('no AI binding named AI')
  })
})
