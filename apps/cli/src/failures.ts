import { errors, type ErrorCode, failure, type Failure } from "@keyferry/sdk/errors"

/** What a shell gets. */
export const exitOf = (given: Failure): number => errors[given.code].exit

/** One sentence with its particulars, what it means for the keys, and one action. */
export const renderFailure = (given: Failure): string => {
  const entry = errors[given.code]
  const detail = given.detail === undefined ? "" : ` ${oneLine(given.detail)}`
  const wait = given.retryAfterS === undefined ? "" : ` Wait ${given.retryAfterS} s.`
  return `kf: ${entry.sentence}${detail}\n    ${entry.keys}\n  → ${entry.action}${wait}\n`
}

/** RFC 9457, with this product's members beside the standard ones. */
export const renderFailureJson = (given: Failure): Readonly<Record<string, unknown>> => {
  const entry = errors[given.code]
  return {
    type: `urn:keyferry:error:${given.code}`,
    title: entry.sentence,
    status: entry.status,
    code: given.code,
    exit: entry.exit,
    keys: entry.keys,
    action: entry.action,
    retry: entry.retry,
    ...(given.detail === undefined ? {} : { detail: oneLine(given.detail) }),
    ...(given.retryAfterS === undefined ? {} : { retryAfter: given.retryAfterS }),
    ...(given.serverTimeMs === undefined ? {} : { serverTime: new Date(given.serverTimeMs).toISOString() }),
  }
}

/** A failure of the command line itself. */
export const usage = (detail: string): Failure => failure("usage-wrong", detail)

/** There is a question and nobody to answer it: names the flag that would. */
export const needsTerminal = (what: string, code: ErrorCode = "needs-terminal"): Failure => failure(code, what)

/** One line without control characters, so that a title from elsewhere cannot move the cursor or fake a prompt. */
export const oneLine = (text: string): string =>
  // Bidirectional overrides could make one name look like another.
  text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " ").trim()
