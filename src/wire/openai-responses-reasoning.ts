// The one opaque string of a reasoning item, `encrypted_content`: what it signs. OpenAI's own stands there as it came, under
// its own item's id; any other is sealed with its maker's name. Signatures of texts and calls, which this wire has no
// place for, travel as items of their own beside what they sign, since clients send items back in order.
import type { Signature } from '../core/neutral.ts'
import { openSignature, sealSignature } from '../core/reply/signature.ts'

/** The maker of what isn't sealed. */
export const RESPONSES_MAKER = 'openai-responses'

/**
 * What a signature belongs to: `reasoning`, the text of its item; `redacted`, it is the reasoning itself; `text`, the text
 * before the item; `empty`, a text of no length; `call`, the tool call behind the item.
 */
export type SignatureUse = 'reasoning' | 'redacted' | 'text' | 'empty' | 'call'

const USES: readonly string[] = ['reasoning', 'redacted', 'text', 'empty', 'call'] satisfies SignatureUse[]
const USE_MARK = '!'

export interface OpenedSignature {
  readonly signature: Signature
  readonly use: SignatureUse
}

/** The string for an item named `itemId`. OpenAI holds its own against the id of the item. */
export function sealForItem(signature: Signature, use: SignatureUse, itemId: string): string {
  const isPlain = use === 'reasoning' || use === 'redacted'
  if (isPlain && signature.maker === RESPONSES_MAKER && signature.itemId === itemId) return signature.value
  const mark = use === 'reasoning' ? '' : USE_MARK + use
  return sealSignature({ ...signature, maker: `${signature.maker ?? ''}${mark}` }, null)
}

/** What the string of an item says. One that isn't sealed is the reasoning itself where the item has no text. */
export function openOfItem(text: string, itemId: string | null, hasText: boolean): OpenedSignature {
  const sealed = openSignature(text, null)
  if (sealed.maker === null) {
    const item = itemId === null ? {} : { itemId }
    return { signature: { maker: RESPONSES_MAKER, value: text, ...item }, use: hasText ? 'reasoning' : 'redacted' }
  }
  const [maker = '', mark = ''] = sealed.maker.split(USE_MARK)
  return { signature: { ...sealed, maker: maker === '' ? null : maker }, use: isUse(mark) ? mark : 'reasoning' }
}

function isUse(text: string): text is SignatureUse {
  return USES.includes(text)
}

/** What seals begin with: no provider's own string does. */
export const SEAL_MARK = 'tg1.'
