import { Defect } from "@keyferry/base"

import { coreHandlers } from "./core-handlers.ts"
import type { Handlers } from "./execute.ts"
import type { HandlerParts } from "./strongroom.ts"

/** Only accounts and devices, for tests of them. Any other route is a defect of the test. */
export const coreOnly = ({ logins }: HandlerParts): Handlers =>
  new Proxy(coreHandlers(logins) as unknown as Handlers, {
    get: (target, name) => {
      const handler = (target as never as Record<PropertyKey, unknown>)[name]
      if (handler === undefined) throw new Defect(`${String(name)} is not part of this test`)
      return handler
    },
  })
