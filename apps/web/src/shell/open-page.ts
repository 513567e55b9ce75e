/** A server that has not begun to answer after this time is away, as far as a person who waits for a page can tell. */
const PAGE_MS = 4000
/** So long it is not waited for again: a page and the frame of its worker are asked for one after the other. */
const SILENT_MS = 30_000

/** What a proxy answers for a server that is not there (RFC 9110, 15.6.3 to 15.6.5). */
const AWAY: ReadonlySet<number> = new Set([502, 503, 504])

interface Time {
  readonly nowMs: () => number
  readonly after: (ms: number) => Promise<void>
}

/**
 * Opens pages: the server's if it answers in time, else our own copy, which was checked when it was kept.
 * Where there is no copy it is the server's, however late and whatever it says.
 */
export const createPages = ({ nowMs, after }: Time) => {
  let silentUntilMs = 0
  return async (
    fromServer: () => Promise<Response>,
    ownCopy: (() => Promise<Response | undefined>) | undefined,
  ): Promise<Response> => {
    const theirs = fromServer()
    if (ownCopy === undefined) return theirs
    const tooLate = after(nowMs() < silentUntilMs ? 0 : PAGE_MS).then(() => "silent" as const)
    const first = await Promise.race([theirs.catch(() => "gone" as const), tooLate])
    if (first instanceof Response && !AWAY.has(first.status)) return first
    if (first === "silent") silentUntilMs = nowMs() + SILENT_MS
    return (await ownCopy()) ?? theirs
  }
}
