// Writes a neutral request for the native API of Text Generation Inference: one text in, one text out. Tools and pictures
// have no place in it (the server's OpenAI-compatible route, which has one for them, is `openai-chat`).
// https://huggingface.github.io/text-generation-inference/
import type { Gap } from '../../core/failure.ts'
import type { JsonObject } from '../../core/json.ts'
import type { NeutralRequest, SettingName } from '../../core/neutral.ts'
import { settingGap, uncarried } from '../../core/reply/request-gaps.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { onceEach, partGaps } from '../part-gaps.ts'
import { objectionOfText, plainPrompt, toolGaps } from '../prompt-text.ts'

/** How tools are to be used is no gap beside the tools themselves. */
const CARRIED: ReadonlySet<SettingName> = new Set([
  'toolChoice',
  'parallelToolCalls',
  'responseFormat',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'stop',
  'seed',
  'frequencyPenalty',
])
/** Parameters of the server's own that go on under their own names. */
const EXTRAS = ['repetition_penalty', 'typical_p', 'truncate', 'watermark'] as const

/** Everything in the request that can't be carried; a field is named once. */
export function tgiGaps(request: NeutralRequest): readonly Gap[] {
  const isFreeJson = request.responseFormat?.kind === 'json-object'
  const reason = 'this model takes a JSON schema, but no free JSON'
  return onceEach([
    ...uncarried(request, CARRIED, new Set(EXTRAS)),
    ...partGaps(request, objectionOfText),
    ...toolGaps(request),
    ...(isFreeJson ? [settingGap(request, 'responseFormat', reason)] : []),
  ])
}

/** The request body. `maxTokens`: the bound on the reply, or null for none. */
export function writeTgiRequest(request: NeutralRequest, maxTokens: number | null): JsonObject {
  return {
    inputs: plainPrompt(request.messages),
    parameters: withoutUndefined({
      ...Object.fromEntries(EXTRAS.map((name) => [name, request.extra[name]])),
      max_new_tokens: maxTokens ?? undefined,
      ...writeSampling(request),
      stop: request.stop,
      seed: request.seed,
      frequency_penalty: request.frequencyPenalty,
      grammar: writeGrammar(request),
      return_full_text: false,
      details: true,
      // The only way to learn how long the prompt was; a stream says it unasked.
      decoder_input_details: request.stream ? undefined : true,
    }),
  }
}

/** The server refuses a temperature of 0 and a `top_p` of 1: the one means to choose the likeliest token, the other
 *  nothing. */
function writeSampling({ temperature, topP, topK }: NeutralRequest): JsonObject {
  if (temperature === 0) return { do_sample: false }
  return { temperature, top_p: topP === undefined || topP >= 1 ? undefined : topP, top_k: topK }
}

function writeGrammar({ responseFormat }: NeutralRequest): JsonObject | undefined {
  return responseFormat?.kind === 'json-schema' ? { type: 'json', value: responseFormat.schema } : undefined
}
