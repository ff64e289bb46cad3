// Where feeds hear that there is something new to read, while somebody says so (live.ts).
import { createContext } from 'preact'

/** What may have changed. */
export type LiveKind = 'requests' | 'configuration' | 'health' | 'alerts' | 'audit' | 'access'

/** The socket was opened, was lost, or says what has changed. */
export type LiveNews = 'opened' | 'lost' | readonly LiveKind[]

/** Where feeds hear of it. */
export class LiveNewsroom {
  readonly #listeners = new Set<(news: LiveNews) => void>()
  isOpen = false

  /** Until the function that is returned is called. */
  listen(listener: (news: LiveNews) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  say(news: LiveNews): void {
    if (news === 'opened') this.isOpen = true
    if (news === 'lost') this.isOpen = false
    for (const listener of this.#listeners) listener(news)
  }
}

/** The page's own. */
export const Live = createContext(new LiveNewsroom())
