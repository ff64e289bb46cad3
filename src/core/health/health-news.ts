// What isolates have found out about targets, on its way to those that haven't called them yet. It travels with messages that
// isolates and limiters exchange anyway: an isolate tells its limiters what it has heard, a limiter answers with what came
// since the isolate was last told. Every item has an epoch, and a later one replaces an earlier one: so items may be lost,
// come twice or in any order. Every item ends by itself, so that none can keep a target from being called. Times are epoch ms.
import type { Region } from '../region.ts'
import type { Told } from './shared-breaker.ts'

/** What there is to know of a target. */
export type Finding =
  /** How its breaker stands, by the word of the object that all isolates of a region share. */
  | { readonly kind: 'breaker'; readonly targetId: string; readonly told: Told }
  /** It asked for a pause. */
  | { readonly kind: 'pause'; readonly targetId: string; readonly model: string }
  /** One of its credentials is out of use, for one model or for all. */
  | {
      readonly kind: 'credential'
      readonly targetId: string
      readonly credential: string
      readonly model: string | null
    }

export interface HealthNews {
  readonly finding: Finding
  /** Whom it concerns; null for everybody. */
  readonly region: Region | null
  readonly epoch: number
  /** When it is worth nothing any more. */
  readonly untilMs: number
}

/** An isolate's part of an exchange, or a region's. */
export interface HealthTalk {
  readonly region: Region | null
  /** The limiter's news up to here have been heard; 0 for none. */
  readonly seen: number
  readonly news: readonly HealthNews[]
}

/** The limiter's. Missing where there is nothing to say. */
export interface HealthAnswer {
  readonly seen: number
  readonly news: readonly HealthNews[]
  /** It has forgotten what it was told. */
  readonly isAnew?: true
}

/** Who is told of an opening whose time is over asks before it calls: as long as a probe may take. */
const IN_DOUBT_MS = 30_000
/** That all is well again is told for so long. */
const WELL_MS = 60_000
/** Nothing is believed for longer: a breaker opens for five minutes, give or take a fifth. */
const KNOWN_MS_MAX = 400_000
/** Items at once: of more, the oldest is let go of. */
const ITEMS_MAX = 200
/** Items in one message; the rest goes with the next. */
const ITEMS_A_MESSAGE = 24

/** News of the word of a shared breaker, given at `nowMs`. */
export function breakerNews(
  targetId: string,
  region: Region,
  { epoch, ...told }: Told & { readonly epoch: number },
  nowMs: number,
): HealthNews {
  const untilMs = told.kind === 'closed' ? nowMs + WELL_MS : told.untilMs + IN_DOUBT_MS
  return { finding: { kind: 'breaker', targetId, told }, region, epoch, untilMs }
}

/** What was heard, the latest of each. Where it is heard of anew it is numbered anew: by the clock, so that numbers go on after a
 *  restart. */
export class HealthBoard {
  readonly #beganMs: number
  #serial = 0
  /** In the order of their numbers. */
  readonly #items = new Map<string, { readonly serial: number; readonly news: HealthNews }>()

  constructor(nowMs: number) {
    this.#beganMs = nowMs
  }

  /** Number of the latest item; 0 where there was none. */
  get serial(): number {
    return this.#serial
  }

  /** Takes in what is later than what is known of the same. Returns that, each for a limited time. */
  take(news: readonly HealthNews[], nowMs: number): readonly HealthNews[] {
    const taken = news.filter((item) => this.#isLater(item, nowMs)).map((item) => limited(item, nowMs))
    for (const item of taken) {
      const name = nameOf(item)
      this.#serial = Math.max(this.#serial + 1, nowMs)
      this.#items.delete(name)
      this.#items.set(name, { serial: this.#serial, news: item })
    }
    for (const name of this.#items.keys()) {
      if (this.#items.size <= ITEMS_MAX) break
      this.#items.delete(name)
    }
    return taken
  }

  /** Items after that number that concern a region, the oldest first; how far that goes. */
  since(seen: number, region: Region | null, nowMs: number): HealthAnswer {
    const news: HealthNews[] = []
    if (seen >= this.#serial) return { seen, news }
    for (const { serial, news: item } of this.#items.values()) {
      if (serial <= seen || item.untilMs <= nowMs || (item.region !== null && item.region !== region)) continue
      news.push(item)
      if (news.length === ITEMS_A_MESSAGE) return { seen: serial, news }
    }
    return { seen: this.#serial, news }
  }

  /** What is known of a target, and still counts. */
  about(targetId: string, nowMs: number): readonly HealthNews[] {
    if (this.#items.size === 0) return []
    const items = [...this.#items.values()].map(({ news }) => news)
    return items.filter(({ finding, untilMs }) => finding.targetId === targetId && untilMs > nowMs)
  }

  /** Whether anything was heard of a target after that number. */
  hasNews(targetId: string, seen: number): boolean {
    if (seen >= this.#serial) return false
    for (const { serial, news } of this.#items.values()) {
      if (serial > seen && news.finding.targetId === targetId) return true
    }
    return false
  }

  /** A limiter's half of an exchange: takes in what it is told and answers with what came before that. Null for nothing. */
  answer(talk: HealthTalk | undefined, nowMs: number): HealthAnswer | null {
    if (talk === undefined) return null
    const hasForgotten = talk.seen > 0 && talk.seen < this.#beganMs
    const said = this.since(talk.seen, talk.region, nowMs)
    const isAll = said.seen === this.#serial || talk.seen >= this.#serial
    this.take(talk.news, nowMs)
    // Nobody is told what it has just told itself.
    const seen = isAll ? this.#serial : said.seen
    if (said.news.length === 0 && seen <= talk.seen && !hasForgotten) return null
    return { seen, news: said.news, ...(hasForgotten ? { isAnew: true } : {}) }
  }

  /** The same answer later on, with what has come since it was given. */
  goOn(talk: HealthTalk | undefined, before: HealthAnswer | null, nowMs: number): HealthAnswer | null {
    if (talk === undefined) return null
    const { seen, news, ...rest } = before ?? { seen: talk.seen, news: [] }
    const more = this.since(seen, talk.region, nowMs)
    return more.seen === seen ? before : { ...rest, seen: more.seen, news: [...news, ...more.news] }
  }

  #isLater(item: HealthNews, nowMs: number): boolean {
    if (item.untilMs <= nowMs) return false
    const known = this.#items.get(nameOf(item))?.news
    return known === undefined || known.untilMs <= nowMs || item.epoch > known.epoch
  }
}

/** The other half, of an isolate or a region towards one limiter: what that hasn't been told, and what it has said. */
export class HealthLink {
  readonly #board: HealthBoard
  /** Numbers of the own board: what the limiter has, and what the latest message tells. */
  #told = 0
  #telling = 0
  /** Of the limiter's. */
  #seen = 0

  constructor(board: HealthBoard) {
    this.#board = board
  }

  /** What the next message says. */
  talk(region: Region | null, nowMs: number): HealthTalk {
    const { seen: upTo, news } = this.#board.since(this.#told, region, nowMs)
    this.#telling = upTo
    return { region, seen: this.#seen, news }
  }

  /** The latest message was answered. */
  take(answer: HealthAnswer | undefined, nowMs: number): void {
    this.#told = this.#telling
    if (answer === undefined) return
    const hasToldAll = this.#told === this.#board.serial
    this.#seen = answer.seen
    this.#board.take(answer.news, nowMs)
    if (answer.isAnew === true) this.#told = 0
    else if (hasToldAll) this.#told = this.#board.serial
  }
}

function nameOf({ finding, region }: HealthNews): string {
  const about = `${finding.kind}\n${region}\n${finding.targetId}`
  if (finding.kind === 'breaker') return about
  return finding.kind === 'pause' ? `${about}\n${finding.model}` : `${about}\n${finding.credential}\n${finding.model}`
}

/** Nobody's clock makes a target wait for long. */
function limited(news: HealthNews, nowMs: number): HealthNews {
  const lastMs = nowMs + KNOWN_MS_MAX
  const untilMs = Math.min(news.untilMs, lastMs)
  const { finding } = news
  if (finding.kind !== 'breaker' || finding.told.kind === 'closed' || finding.told.untilMs <= lastMs) {
    return untilMs === news.untilMs ? news : { ...news, untilMs }
  }
  return { ...news, untilMs, finding: { ...finding, told: { ...finding.told, untilMs: lastMs } } }
}
