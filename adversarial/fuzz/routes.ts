import { bytesToBase64url, formatId } from "@keyferry/base"
import { isErrorCode, type Route, type RouteName, routes } from "@keyferry/protocol"
import { isJsonBody, isJsonRoute, jsonMessages } from "@keyferry/protocol/schemas"

import { createWorld, type World } from "../../apps/server/src/testing/world.ts"
import { diceOf, mutateJson } from "./engine/mutate.ts"
import { mutateText } from "./engine/mutate-text.ts"
import { protocolSamples } from "./engine/samples.ts"
import { sampleOf, type Schema } from "./engine/schema-samples.ts"
import { type Dice, type FuzzTarget, promise, textInput, textOf } from "./engine/target.ts"

const names = Object.keys(routes) as RouteName[]
const jsonNames = names.filter(isJsonRoute)
const cborBodies = Object.values(protocolSamples)

const bodyFor = (name: RouteName, dice: Dice): string => {
  if (!isJsonRoute(name)) return Buffer.from(dice.pick(cborBodies)).toString("latin1")
  const sample = sampleOf(jsonMessages[name].body, dice)
  const value = dice.chance(4) ? sample : mutateJson(dice, sample, ["dev_", "lea_", "totp"])
  return dice.chance(6) ? mutateText(dice, JSON.stringify(value)) : JSON.stringify(value)
}

let world: World | undefined
let used = 0
/** Mails, sessions and the log of a server in memory pile up, as they do in any test; a new one now and then. */
const freshWorld = async (): Promise<World> => {
  if (world !== undefined && used++ < 400) return world
  await world?.close()
  used = 0
  world = await createWorld()
  return world
}

const HEADERS = [
  "content-type",
  "authorization",
  "signature-input",
  "signature",
  "content-digest",
  "idempotency-key",
  "x-forwarded-for",
  "host",
  "keyferry-client",
  "sec-fetch-site",
  "accept",
  "last-event-id",
  "range",
]

export const targets: readonly FuzzTarget[] = [
  {
    name: "json-bodies",
    make: (dice) => {
      const name = dice.pick(jsonNames)
      return textInput(`${name}\n${bodyFor(name, dice)}`)
    },
    run: (input) => {
      const text = textOf(input)
      const at = text.indexOf("\n")
      const name = text.slice(0, at)
      if (!isJsonRoute(name)) return
      let body: unknown
      try {
        body = JSON.parse(text.slice(at + 1))
      } catch {
        return
      }
      if (!isJsonBody(name, body)) return
      const shape: Schema = jsonMessages[name].body
      promise(
        (shape.anyOf ?? [shape]).some(({ properties = {} }) =>
          Object.keys(body).every((key) => Object.hasOwn(properties, key)),
        ),
        "a property that the route does not have",
      )
      promise(isJsonBody(name, JSON.parse(JSON.stringify(body))), "accepted once, refused the second time")
    },
  },
  {
    name: "http-requests",
    make: (dice) =>
      textInput(JSON.stringify([dice.pick(names), bytesToBase64url(dice.bytes(16)), bodyFor(dice.pick(names), dice)])),
    run: async (input) => {
      const { app, time } = await freshWorld()
      const dice = diceOf(input)
      let said: unknown
      try {
        said = JSON.parse(textOf(input))
      } catch {
        return
      }
      if (!Array.isArray(said)) return
      const name = (names.includes(said[0] as RouteName) ? said[0] : "sync") as RouteName
      const route: Route = routes[name]
      // Half of the requests carry a body of their own route, so that handlers are reached behind the form.
      const body = dice.chance(2) ? bodyFor(name, dice) : String(said[2])
      const headers: Record<string, string> = {
        host: "localhost:8420",
        "x-forwarded-for": `10.${dice.below(256)}.${dice.below(256)}.${dice.below(256)}`,
        ...(route.body === "none"
          ? {}
          : { "content-type": route.body === "cbor" ? "application/cbor" : "application/json" }),
      }
      if (dice.chance(2)) headers["authorization"] = `Bearer ${bytesToBase64url(dice.bytes(32))}`
      if (dice.chance(2)) {
        headers["signature-input"] =
          `sig1=("@method");created=1;nonce="AAAAAAAAAAAAAAAAAAAAAA";keyid="${formatId("dev", dice.bytes(16))}";tag="kf1-dev"`
        headers["signature"] = `sig1=:${"A".repeat(86)}==:`
      }
      for (let i = dice.below(3); i > 0; i--) {
        const header = dice.pick(HEADERS)
        // What no HTTP client can put on the wire would test the test.
        headers[header] = mutateText(dice, headers[header] ?? "x")
          .replaceAll(/[^\x20-\x7e]/g, "")
          .slice(0, 4000)
      }
      const query = dice.chance(3)
        ? `?${encodeURI(mutateText(dice, "after=1&device=dev_a").toWellFormed()).slice(0, 2000)}`
        : ""
      const path = dice.chance(6)
        ? encodeURI(mutateText(dice, route.path, ["/", "..", "//", "%2e"]).toWellFormed()).slice(0, 2000)
        : route.path
      time.nowMs += 60_000
      const reply = await app.inject({
        method: dice.chance(9) ? dice.pick(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]) : route.method,
        url: `${path.startsWith("/") ? path : `/${path}`}${query}`,
        headers,
        ...(route.body === "none" && !dice.chance(6) ? {} : { payload: Buffer.from(body, "latin1") }),
      })
      promise(reply.statusCode < 500, `${name}: ${reply.statusCode} ${reply.body.slice(0, 300)}`)
      if (reply.statusCode < 400 || reply.body === "") return
      const problem = JSON.parse(reply.body) as Record<string, unknown>
      const { code } = problem
      promise(typeof code === "string" && isErrorCode(code), `${name}: an error without a code of the table`)
    },
    close: async () => world?.close(),
  },
]
