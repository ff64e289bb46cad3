// A secret that was just made: shown once, to be copied.
import { CopyButton } from './copy-button.tsx'

interface ShownSecretProps {
  /** What it is, for whoever can't see it. */
  readonly label: string
  readonly text: string
}

export function ShownSecret({ label, text }: ShownSecretProps) {
  return (
    <>
      <p>
        <strong>Copy it now: it is shown this once.</strong> Tidegate keeps only a digest of it.
      </p>
      <div class="command">
        <pre tabIndex={0} aria-label={label}>
          <code>{text}</code>
        </pre>
        <CopyButton text={text} />
      </div>
    </>
  )
}
