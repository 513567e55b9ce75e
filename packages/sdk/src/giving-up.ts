import type { Http } from "./ports.ts"

/**
 * A network whose pending requests can be given up. What is under way then reads like an outage; a server that answers one
 * byte a minute keeps no key in memory.
 */
export const abortable = (http: Http): { readonly http: Http; readonly giveUp: () => void } => {
  let pending = Promise.withResolvers<undefined>()
  return {
    http: { stream: http.stream, send: (request) => Promise.race([http.send(request), pending.promise]) },
    giveUp: () => {
      pending.resolve(undefined)
      pending = Promise.withResolvers<undefined>()
    },
  }
}
