// What known families of models can do and how much they take, as data: a line for each beginning of a name. The longest
// beginning that fits wins; a model that fits none is simply not known, and nothing is refused because of it. A target's
// own `capabilities` stand above this. Sources: the providers' model pages, read in November 2026
// (platform.openai.com/docs/models, docs.anthropic.com/en/docs/about-claude/models, ai.google.dev/gemini-api/docs/models,
// docs.mistral.ai/getting-started/models, docs.x.ai/docs/models, api-docs.deepseek.com, docs.cohere.com/docs/models);
// context windows are held against the price catalogue's by a test.
import type { ModelCapabilities } from '../core/directory.ts'

/** Beginning of the name, context in thousands of tokens, output in thousands (0: not known), and letters: `v` pictures,
 *  `d` documents, `a` sound, `t` tools, `j` replies by JSON schema, `r` reasoning, `p` goes on from a prefix; a capital
 *  says that it can't, and a letter that isn't there says nothing. */
const FAMILIES = `
gpt-3.5-turbo 16.385 4.096 tVJA
gpt-4 8.192 8.192 tVJA
gpt-4-turbo 128 4.096 vtJA
gpt-4-1106 128 4.096 tVJA
gpt-4-0125 128 4.096 tVJA
gpt-4o 128 16.384 vdtj
gpt-4o-audio 128 16.384 atV
gpt-4o-mini-audio 128 16.384 atV
gpt-4o-search 128 16.384 jT
gpt-4.1 1000 32.768 vdtj
gpt-5 400 128 vdtjr
gpt-5-chat 128 16.384 vj
gpt-5.3 128 0 vdtjr
gpt-5.3-codex 400 128 vdtjr
gpt-5.4 1050 128 vdtjr
gpt-5.4-mini 400 128 vdtjr
gpt-5.4-nano 400 128 vdtjr
gpt-5.5 1000 128 vdtjr
gpt-5.6 1050 128 vdtjr
gpt-6 1050 128 vdtjr
gpt-oss 131.072 0 tjrVDA
gpt-audio 128 16.384 at
gpt-4o-transcribe 16 0 aVT
gpt-4o-mini-transcribe 16 0 aVT
gpt-4o-realtime 32 4.096 atV
gpt-4o-mini-realtime 16 4.096 atV
chatgpt-4o 128 16.384 v
o1 200 100 vdtjr
o1-mini 128 65.536 rVTJA
o1-preview 128 32.768 rVTJA
o3 200 100 vdtjr
o3-mini 200 100 tjrVA
o4-mini 200 100 vdtjr
codex-mini 200 100 vtjrA
claude-2 200 4.096 pVDATJ
claude-3 200 4.096 vdtpAJ
claude-3-5 200 8.192 vdtpAJ
claude-3-7 200 64 vdtrpAJ
claude-sonnet-4 200 64 vdtrpA
claude-sonnet-4-5 200 64 vdtjrp
claude-sonnet-4-6 1000 64 vdtjr
claude-sonnet-5 1000 0 vdtjr
claude-opus-4 200 32 vdtrpA
claude-opus-4-1 200 32 vdtjrp
claude-opus-4-5 200 64 vdtjrp
claude-opus-4-6 1000 128 vdtjr
claude-opus-4-7 1000 128 vdtjr
claude-opus-4-8 1000 128 vdtjr
claude-opus-5 1000 0 vdtjr
claude-haiku-4-5 200 64 vdtjrp
claude-fable 1000 0 vdtjr
gemini-1.5 1000 8.192 vdatj
gemini-2.0 1000 8.192 vdatj
gemini-2.5 1048.576 65.536 vdatjr
gemini-2.5-flash-lite 1000 65.536 vdatjr
gemini-2.5-flash-image 1000 32.768 vT
gemini-2.5-flash-tts 8.192 0 VDTJ
gemini-2.5-pro-tts 8.192 0 VDTJ
gemini-2.5-flash-lite-preview-tts 8.192 0 VDTJ
gemini-3 1000 65.536 vdatjr
gemma-3 128 8.192 v
gemma-4 131.072 0 vt
mistral-large 128 0 vtjp
mistral-large-2512 262.144 0 vtjp
mistral-medium 128 0 vtjp
mistral-medium-3-5 262.144 0 vtjp
mistral-small 128 0 vtjp
mistral-small-2603 262.144 0 vtjp
mistral-nemo 128 0 tjpVA
ministral 128 0 tjp
codestral 256 0 tjpVA
devstral 128 0 tjpA
devstral-2512 262.144 0 tjp
magistral 128 0 tjrp
pixtral 128 0 vtjp
voxtral-small 32.768 0 at
deepseek-chat 64 8.192 tpVDAJ
deepseek-reasoner 64 0 trVDAJ
deepseek-v3 128 0 tpVDA
deepseek-r1 128 0 rVDA
deepseek-v4 1000 0 tr
grok-2 32.768 0 tjVA
grok-2-vision 32.768 0 vtj
grok-3 131.072 0 tjVA
grok-3-mini 131.072 0 tjrVA
grok-4 256 0 vtjr
grok-4-fast 2000 0 vtjr
grok-4-1-fast 2000 0 vtjr
grok-4.20 1000 0 vtjr
grok-4.3 1000 0 vtjr
grok-4.5 500 0 vtjr
grok-4.6 500 0 vtjr
grok-code-fast 256 0 tjrVA
command-r 128 4 tjVA
command-r7b 128 4 tjVA
command-a 256 8 tjVA
command-a-vision 128 8 vjT
command-a-reasoning 256 32 tjr
llama-3.1 128 0 tVDA
llama3.1 32.768 0 tVDA
llama-3.3 128 0 tVDA
llama-4 131.072 0 vt
llama3-1 128 0 tVDA
llama3-3 128 0 tVDA
nova-micro 128 10 tVDA
nova-lite 300 10 vdt
nova-pro 300 10 vdt
nova-premier 1000 32 vdt
nova-2-lite 1000 0 vdtr
qwen3 32 0 tr
qwen-3 131.072 0 tr
qwen3-coder 128 0 tVDA
kimi-k2 131.072 0 tVDA
kimi-k2-0905 262.144 0 tVDA
kimi-k2-thinking 262.144 0 trVDA
kimi-k2-turbo 262.144 0 tVDA
kimi-k2.5 262.144 0 vtr
kimi-k2.6 262.144 0 vtr
kimi-k3 1048.576 0 vtr
glm-4.5 131.072 98.304 trVDA
glm-4.6 200 128 trVDA
glm-5.2 1000 0 tr
glm-5.3 1000 0 tr
sonar 128 0 -
sonar-pro 200 8 -
sonar-reasoning 128 0 r
`

/** What is known of a model, whatever prefixes a provider puts before its name (`openai/gpt-4o`,
 *  `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, `accounts/…/models/…`). Empty for one that isn't known. */
export function findCapabilities(model: string): ModelCapabilities {
  const name = bareName(model)
  let best = ''
  let found: ModelCapabilities = {}
  for (const line of FAMILIES.trim().split('\n')) {
    const [beginning = '', context, output, letters = ''] = line.split(' ')
    if (beginning.length <= best.length || !isFamily(name, beginning)) continue
    best = beginning
    found = readLine(Number(context), Number(output), letters)
  }
  return found
}

/** The beginning ends where a word of the name does: `o1` is not the family of `o10`. */
function isFamily(name: string, beginning: string): boolean {
  return name.startsWith(beginning) && !/^[0-9a-z]/.test(name.slice(beginning.length))
}

function bareName(model: string): string {
  const last = model.toLowerCase().split('/').at(-1) ?? ''
  return last.replace(/^(?:(?:us|eu|apac|global|regional|jp|au)\.)?(?:[a-z0-9]+\.)(?=[a-z])/, '').replace(/^meta-/, '')
}

const LETTERS = {
  v: 'vision',
  d: 'documents',
  a: 'audio',
  t: 'tools',
  j: 'jsonSchema',
  r: 'reasoning',
  p: 'prefix',
} as const satisfies Readonly<Record<string, keyof ModelCapabilities>>

function readLine(context: number, output: number, letters: string): ModelCapabilities {
  const flags: { [Name in (typeof LETTERS)[keyof typeof LETTERS]]?: boolean } = {}
  for (const [letter, name] of Object.entries(LETTERS)) {
    if (letters.includes(letter)) flags[name] = true
    else if (letters.includes(letter.toUpperCase())) flags[name] = false
  }
  const bound = output > 0 ? { outputTokens: Math.round(output * 1000) } : {}
  return { contextTokens: Math.round(context * 1000), ...bound, ...flags }
}
