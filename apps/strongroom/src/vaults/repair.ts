import { err } from "@keyferry/base"

import type { Handler } from "../execute.ts"
import type { PushParts } from "./push.ts"

/** Uploads what a restored server lost. No chain here stands behind its tombstone head, so there is nothing to repair. */
export const repair =
  (_parts: PushParts): Handler<"repair"> =>
  async () =>
    err({ code: "not-allowed", detail: "No chain of this account waits for a repair." })
