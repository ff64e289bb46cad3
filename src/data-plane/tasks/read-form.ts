// Reads a client's form no further than it must: until the model is known and the file begins. What has been read is sent on
// with the model's name replaced, the rest as it comes, so that a recording of any length costs no memory. A short form is
// read whole: then a failed call can be made again.
import type { Failure } from '../../core/failure.ts'
import { type Result, err, ok } from '../../core/result.ts'
import { FormHead, boundaryOf } from '../../wire/multipart.ts'
import type { Task, TaskFacts } from '../../protocols/task.ts'
import type { OutgoingCall } from '../../ports.ts'

/** A form up to this length is read whole. */
const WHOLE_BYTES_MAX = 2 * 1024 * 1024
/** Most that is read in search of the model, when it comes behind the file. OpenAI takes files of 25 MB. */
const HEAD_BYTES_MAX = 26 * 1024 * 1024

/** A form, begun to be read. */
export interface Form {
  readonly contentType: string
  readonly head: FormHead
  /** What comes behind the head; null when that is all. */
  readonly rest: ReadableStreamDefaultReader<Uint8Array> | null
  /** Length of the whole body as the client stated it. */
  readonly statedBytes: number | null
}

export interface ReadForm {
  readonly form: Form
  readonly facts: TaskFacts
}

/** The form in `request`, read as far as this task needs. */
export async function readForm(request: Request, task: Task): Promise<Result<ReadForm, Failure>> {
  const contentType = request.headers.get('content-type') ?? ''
  const boundary = boundaryOf(contentType)
  if (boundary === null) {
    return err({
      kind: 'unsupported-media-type',
      received: contentType,
      expected: 'multipart/form-data with a boundary',
    })
  }
  const stated = request.headers.get('content-length')
  const statedBytes = stated === null ? null : Number(stated)
  const isShort = statedBytes !== null && statedBytes <= WHOLE_BYTES_MAX
  const head = new FormHead(boundary, (bytes) => decoder.decode(bytes), isShort)
  const rest = request.body === null ? null : await readHead(request.body.getReader(), head, isShort)
  const form = { contentType, head, rest, statedBytes }
  const isTooLong = rest !== null && head.bytes.byteLength > HEAD_BYTES_MAX
  const facts = isTooLong
    ? err({ kind: 'invalid-request', field: 'model', message: MODEL_FIRST } as const)
    : task.facts(head.fields)
  if (facts.ok) return ok({ form, facts: facts.value })
  await discardForm(form)
  return facts
}

/** Reads until enough is known, or everything. What is left is to be read from the reader; null for nothing. */
async function readHead(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  head: FormHead,
  isShort: boolean,
): Promise<ReadableStreamDefaultReader<Uint8Array> | null> {
  while (head.bytes.byteLength <= HEAD_BYTES_MAX) {
    if (!isShort && head.isKnown) return reader
    const { done, value } = await reader.read()
    if (done) return null
    head.push(value)
  }
  return reader
}

const decoder = new TextDecoder()
/** How much of a form that is refused is read all the same. */
const DISCARDED_BYTES_MAX = 40 * 1024 * 1024
const MODEL_FIRST = `The field 'model' must come before the file, or within the first ${HEAD_BYTES_MAX} bytes of the form.`

/** Hears out a form that nobody wants: many clients look for an answer only when they have sent everything. */
export async function discardForm({ rest }: Form): Promise<void> {
  if (rest === null) return
  try {
    for (let bytes = 0; bytes <= DISCARDED_BYTES_MAX;) {
      const { done, value } = await rest.read()
      if (done) return
      bytes += value.byteLength
    }
    await rest.cancel('unwanted')
  } catch {
    // The client has left: so much the better.
  }
}

/** The call that sends the form to `path`, for `model` in place of the client's name for it. Where the form wasn't read
 *  whole it can be made only once. */
export function formCall(form: Form, path: string, model: string): OutgoingCall {
  const head = renamed(form.head, model)
  const headers = { 'content-type': form.contentType }
  const { rest, statedBytes } = form
  if (rest === null) return { path, headers, body: head.buffer }
  const streamBytes = statedBytes === null ? null : statedBytes + head.byteLength - form.head.bytes.byteLength
  return { path, headers, body: '', stream: streamOf(head, rest), streamBytes }
}

/** The head's bytes with another model. */
function renamed(head: FormHead, model: string): Uint8Array<ArrayBuffer> {
  const { bytes, model: span } = head
  if (span === null || head.fields['model'] === model) return bytes.slice()
  const name = new TextEncoder().encode(model)
  const result = new Uint8Array(bytes.byteLength - (span.end - span.start) + name.byteLength)
  result.set(bytes.subarray(0, span.start))
  result.set(name, span.start)
  result.set(bytes.subarray(span.end), span.start + name.byteLength)
  return result
}

function streamOf(head: Uint8Array, rest: ReadableStreamDefaultReader<Uint8Array>): ReadableStream<Uint8Array> {
  let isFirst = true
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (isFirst) {
          isFirst = false
          controller.enqueue(head)
          return
        }
        const { done, value } = await rest.read()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => rest.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
