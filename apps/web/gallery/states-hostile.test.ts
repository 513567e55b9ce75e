import { kinds } from "@keyferry/items"
import { expect, test } from "vitest"

import { HOSTILE, HOSTILE_STATES } from "./states-hostile.ts"
import { STATES } from "./states.ts"

const pathsOf = (states: readonly { readonly path: string }[]): ReadonlySet<string> =>
  new Set(
    states.map(({ path }) =>
      path
        .replace(/itm_[^/]+/, "ID")
        .replace(/dev_[^/]+/, "ID")
        .replace(/\?.*$/, ""),
    ),
  )

test("every field of every kind is shown and edited with hostile text, and every text stands in some field", async () => {
  const seen = new Set<string>()
  for (const kind of kinds) {
    const states = HOSTILE_STATES.filter(({ id }) => [`hostile-${kind.kind}`, `hostile-${kind.kind}-edit`].includes(id))
    expect(states, kind.kind).toHaveLength(2)
    const [shown] = states
    const view = await shown?.record.over?.get?.(shown.path.split("/")[2] ?? "")
    const fields = view?.ok === true ? view.value.fields : []
    for (const field of kind.fields)
      expect(
        fields.map(({ name }) => name),
        kind.kind,
      ).toContain(field.name)
    for (const { value } of fields) seen.add(value)
  }
  expect(HOSTILE.filter((text) => !seen.has(text.slice(0, 60_000)))).toEqual([])
})

test("every page that shows what a person or a server wrote is also looked at with hostile text", () => {
  // A list of one kind is the list. These show only words of the app itself.
  const own = [
    "/security",
    "/about-vaults",
    "/sign-in",
    "/sign-up",
    "/recover",
    "/rescue",
    "/nowhere",
    "/add",
    "/add/ID",
    "/replace",
  ]
  const ownSettings = ["/settings/appearance", "/settings/keyboard", "/settings/about"]
  const hostile = pathsOf(HOSTILE_STATES)
  const missing = [...pathsOf(STATES)].filter(
    (path) =>
      !hostile.has(path) &&
      !own.includes(path) &&
      !ownSettings.includes(path) &&
      !path.startsWith("/add/") &&
      !path.startsWith("/kind/"),
  )
  expect(missing).toEqual([])
})
