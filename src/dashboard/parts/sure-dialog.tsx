// Asks once more before something is taken away from somebody.
import type { ComponentChildren } from 'preact'
import { Dialog, Form, useSending } from './forms.tsx'

interface SureDialogProps {
  readonly title: string
  readonly action: string
  readonly work: () => Promise<unknown>
  readonly onClose: () => void
  readonly onDone: () => void
  readonly children: ComponentChildren
}

export function SureDialog({ title, action, work, onClose, onDone, children }: SureDialogProps) {
  const sending = useSending()
  async function submit(): Promise<void> {
    const isDone = await sending.send(async () => {
      await work()
    })
    if (!isDone) return
    onClose()
    onDone()
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <Form sending={sending} action={action} tone="danger" onSubmit={() => void submit()}>
        {children}
      </Form>
    </Dialog>
  )
}
