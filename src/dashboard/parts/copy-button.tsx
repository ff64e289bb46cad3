// A button that copies a text and says whether that worked.
import { useState } from 'preact/hooks'

export function CopyButton({ text }: { text: string }) {
  const [said, setSaid] = useState('Copy')
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text)
      setSaid('Copied')
    } catch {
      setSaid('Select and copy by hand')
    }
  }
  return (
    <button type="button" class="button" onClick={() => void copy()}>
      <span aria-live="polite">{said}</span>
    </button>
  )
}
