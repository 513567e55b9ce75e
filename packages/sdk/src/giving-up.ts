import { err } from "@keyferry/base"

import type { SdkPorts } from "./ports.ts"

type Waited = Pick<SdkPorts, "http" | "passkeys">

/**
 * Ports whose answers can be given up: what is under way then reads like an outage, and a passkey like one that nobody touched.
 * A server that answers one byte a minute, and a dialog in front of an empty chair, keep no key in memory.
 */
export const abortable = ({
  http,
  passkeys,
}: Waited): { readonly ports: Waited; readonly giveUp: () => () => void } => {
  let pending = Promise.withResolvers<void>()
  let givingUp = 0
  const orGivenUp = <T, G>(ask: () => Promise<T>, givenUp: G): Promise<T | G> =>
    givingUp > 0 ? Promise.resolve(givenUp) : Promise.race([ask(), pending.promise.then(() => givenUp)])
  const notUsed = err("not-used" as const)
  return {
    ports: {
      http: { stream: http.stream, send: (request) => orGivenUp(() => http.send(request), undefined) },
      ...(passkeys === undefined
        ? {}
        : {
            passkeys: {
              create: (options) => orGivenUp(() => passkeys.create(options), notUsed),
              get: (question) => orGivenUp(() => passkeys.get(question), notUsed),
            },
          }),
    },
    /** Ends every wait, and those that begin before its answer is called: work of many steps would go on to the next. */
    giveUp: () => {
      givingUp++
      pending.resolve()
      pending = Promise.withResolvers()
      return () => void givingUp--
    },
  }
}
