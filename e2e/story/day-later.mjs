// Another clock, for one process and the agent that it starts: 25 hours ahead, one more than the longest grace of a new account.
const AHEAD_MS = 25 * 60 * 60 * 1000
const RealDate = Date

globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + AHEAD_MS)
    else super(...given)
  }

  static now() {
    return RealDate.now() + AHEAD_MS
  }
}
