// What a client of a wire gets to see of a reply: all of it, but for what the wire has no place for.
import type { Wire } from '../../src/core/directory.ts'
import type { NeutralPart, NeutralReply } from '../../src/core/neutral.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'

/** Wires whose replies always tell their usage: nobody has to ask. */
export const ALWAYS_TELL_USAGE: ReadonlySet<Wire> = new Set<Wire>(['anthropic-messages'])

/** The reply as a client of `wire` reads it. */
export function shown(wire: Wire, reply: NeutralReply): NeutralReply {
  return SHOWN[wire]?.(reply) ?? reply
}

const SHOWN: Readonly<Partial<Record<Wire, (reply: NeutralReply) => NeutralReply>>> = {
  'anthropic-messages': shownAsMessage,
  'openai-completions': shownAsText,
  'openai-responses': (reply) => ({ ...reply, choices: reply.choices.slice(0, 1) }),
}

/** Nothing but text, and no calls to stop for. */
function shownAsText(reply: NeutralReply): NeutralReply {
  return {
    ...reply,
    choices: reply.choices.map((choice) => ({
      ...choice,
      parts: choice.parts.filter((part) => part.kind === 'text'),
      finish: choice.finish === 'tool-calls' ? 'stop' : choice.finish,
    })),
  }
}

/** One choice; sound is among the other tokens; who signs is Anthropic; and no time is told. */
function shownAsMessage(reply: NeutralReply): NeutralReply {
  const { usage } = reply
  return {
    ...reply,
    createdSeconds: null,
    choices: reply.choices.slice(0, 1).map((choice) => ({ ...choice, parts: choice.parts.map(signedByAnthropic) })),
    usage: usage && {
      ...NO_USAGE,
      ...usage,
      input: usage.input + usage.audioInput,
      output: usage.output + usage.audioOutput,
      audioInput: 0,
      audioOutput: 0,
    },
  }
}

function signedByAnthropic(part: NeutralPart): NeutralPart {
  if (part.kind !== 'reasoning' || part.signature === undefined) return part
  return { ...part, signature: { ...part.signature, maker: 'anthropic' } }
}
