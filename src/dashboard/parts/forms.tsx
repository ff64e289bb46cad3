// Parts of forms: a dialog, a field with its label, hint and error, and what is done with an answer that says no. An error
// stands at its field, where the API names one, else at the form's end; the focus goes to it.
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { type ApiFailure, asFailure } from '../api.ts'

interface DialogProps {
  readonly title: string
  readonly onClose: () => void
  readonly isWide?: boolean
  readonly children: ComponentChildren
}

/** A native dialog: focus is held inside, Escape closes it, and focus goes back to where it came from. */
export function Dialog({ title, onClose, isWide = false, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} class={isWide ? 'dialog wide' : 'dialog'} aria-labelledby={titleId} onClose={onClose}>
      <div class="dialog-body">
        <header class="panel-head">
          <h2 id={titleId}>{title}</h2>
          <button type="button" class="button quiet" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </header>
        {children}
      </div>
    </dialog>
  )
}

/** A form that sends something: one sending at a time, and what came of the last. */
export interface Sending {
  readonly isSending: boolean
  readonly failure: ApiFailure | null
  /** Runs `work`, unless something is being sent already; true when it succeeded. */
  send(work: () => Promise<void>): Promise<boolean>
}

export function useSending(): Sending {
  const [isSending, setIsSending] = useState(false)
  const [failure, setFailure] = useState<ApiFailure | null>(null)
  // Known before the page is drawn again.
  const isBusy = useRef(false)
  async function send(work: () => Promise<void>): Promise<boolean> {
    if (isBusy.current) return false
    isBusy.current = true
    setIsSending(true)
    setFailure(null)
    try {
      await work()
      return true
    } catch (thrown) {
      setFailure(asFailure(thrown))
      return false
    } finally {
      isBusy.current = false
      setIsSending(false)
    }
  }
  return { isSending, failure, send }
}

interface FormProps {
  readonly sending: Sending
  /** What the button that sends is called. */
  readonly action: string
  readonly tone?: 'primary' | 'danger'
  /** Names of fields that show their errors themselves: `isShown` of the failure's field. */
  readonly isShown?: (field: string) => boolean
  readonly onSubmit: () => void
  readonly children: ComponentChildren
}

/** A form whose errors stand at their fields, and all others at its end. */
export function Form({ sending, action, tone = 'primary', isShown = () => false, onSubmit, children }: FormProps) {
  const form = useRef<HTMLFormElement>(null)
  const { failure, isSending } = sending
  useEffect(() => {
    if (failure !== null) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }, [failure])
  function submit(event: Event): void {
    event.preventDefault()
    if (!isSending) onSubmit()
  }
  const isElsewhere = failure !== null && !(failure.field !== null && isShown(failure.field))
  return (
    <form ref={form} class="form" onSubmit={submit} noValidate>
      {children}
      <div role="alert">{isElsewhere && <p class="form-error">{failure.message}</p>}</div>
      <div class="form-actions">
        <button type="submit" class={`button ${tone}`} disabled={isSending}>
          {isSending ? 'One moment…' : action}
        </button>
      </div>
    </form>
  )
}

interface FieldProps {
  readonly label: string
  readonly hint?: string
  readonly error?: string | null
  readonly children: (props: FieldControl) => ComponentChildren
}

/** What a control takes over from its field. */
export interface FieldControl {
  readonly id: string
  readonly 'aria-invalid': boolean
  readonly 'aria-describedby': string | undefined
}

/** A control with its label, hint and error, told together to whoever can't see them. */
export function Field({ label, hint, error = null, children }: FieldProps) {
  const id = useId()
  const described = [error === null ? '' : `${id}-error`, hint === undefined ? '' : `${id}-hint`].join(' ').trim()
  return (
    <div class={error === null ? 'field' : 'field wrong'}>
      <label for={id}>{label}</label>
      {children({
        id,
        'aria-invalid': error !== null,
        'aria-describedby': described === '' ? undefined : described,
      })}
      {error !== null && (
        <p id={`${id}-error`} class="field-error" role="alert">
          {error}
        </p>
      )}
      {hint !== undefined && (
        <p id={`${id}-hint`} class="hint">
          {hint}
        </p>
      )}
    </div>
  )
}

const TYPES = {
  text: { type: 'text' },
  password: { type: 'password' },
  date: { type: 'date' },
  'datetime-local': { type: 'datetime-local' },
  email: { type: 'email' },
  url: { type: 'url' },
} as const

type InputProps = Omit<FieldProps, 'children'> & {
  readonly value: string
  readonly onValue: (value: string) => void
  readonly type?: keyof typeof TYPES
  readonly inputMode?: 'text' | 'numeric' | 'decimal'
  readonly placeholder?: string
  /** What may be chosen instead of typed. */
  readonly suggestions?: readonly string[]
}

/** A field of one line of text. */
export function TextField({ label, hint, error, value, onValue, type = 'text', suggestions, ...rest }: InputProps) {
  const listId = useId()
  return (
    <Field label={label} error={error ?? null} {...(hint === undefined ? {} : { hint })}>
      {(control) => (
        <>
          <input
            {...rest}
            {...control}
            {...TYPES[type]}
            {...(suggestions === undefined ? {} : { list: listId })}
            class="input"
            autocomplete="off"
            value={value}
            spellcheck={false}
            onInput={(event) => onValue(event.currentTarget.value)}
          />
          {suggestions !== undefined && (
            <datalist id={listId}>
              {suggestions.map((text) => (
                <option key={text} value={text} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  )
}

interface SelectProps extends Omit<FieldProps, 'children'> {
  readonly value: string
  readonly options: readonly { readonly value: string; readonly text: string }[]
  readonly onValue: (value: string) => void
}

/** A field that is one of a few. */
export function SelectField({ label, hint, error, value, options, onValue }: SelectProps) {
  return (
    <Field label={label} error={error ?? null} {...(hint === undefined ? {} : { hint })}>
      {(control) => (
        <select {...control} class="input" value={value} onChange={(event) => onValue(event.currentTarget.value)}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.text}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

/** The failure's message, where it is about `field`. */
export function errorAt(failure: ApiFailure | null, field: string): string | null {
  return failure?.field === field ? sayingOf(failure) : null
}

/** What is wrong, without the field's path at its head: it stands at the field already. */
export function sayingOf({ field, message }: ApiFailure): string {
  if (field === null || !message.startsWith(`${field} `)) return message
  const rest = message.slice(field.length + 1)
  return rest.slice(0, 1).toUpperCase() + rest.slice(1)
}
