// A page that is loaded when it is first gone to, so that the first one is there soon.
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { type Desk, PageFrame } from './page-frame.tsx'

type Page = (props: { readonly desk: Desk }) => ComponentChildren

/** The page that `load` brings; `title` stands there until it has. */
export function lazyPage(title: string, load: () => Promise<Page>): Page {
  let known: Page | null = null
  return function LazyPage({ desk }) {
    const [state, setState] = useState<'loading' | 'ready' | 'failed'>(known === null ? 'loading' : 'ready')
    useEffect(() => {
      if (known !== null) return
      load().then(
        (page) => {
          known = page
          setState('ready')
        },
        () => setState('failed'),
      )
    }, [])
    if (state === 'ready' && known !== null) {
      const Loaded = known
      return <Loaded desk={desk} />
    }
    return (
      <PageFrame desk={{ ...desk, isGoneTo: false }} title={title}>
        {state === 'failed' ? <NotLoaded /> : <p role="status">Loading…</p>}
      </PageFrame>
    )
  }
}

/** A part of a page that is loaded after the page; until it has been, and where it can't be, its room is empty. */
export function latePart(name: string, load: () => Promise<Page>): Page {
  return function LatePart({ desk }) {
    const [part, setPart] = useState<{ readonly Part: Page } | null>(null)
    useEffect(() => {
      load().then(
        (Part) => setPart({ Part }),
        () => undefined,
      )
    }, [])
    return part === null ? <div class={name} /> : <part.Part desk={desk} />
  }
}

function NotLoaded() {
  return (
    <div class="notice" role="alert">
      <p>This page could not be loaded; the gateway may have been deployed anew meanwhile.</p>
      <button type="button" class="button" onClick={() => location.reload()}>
        Load again
      </button>
    </div>
  )
}
