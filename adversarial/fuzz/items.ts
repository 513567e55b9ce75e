import { equalBytes } from "@keyferry/base"
import { decodeItem, encodeItem, type Item, kindByName, kinds, makeItem, normaliseField } from "@keyferry/items"
import { itemToJson, jsonToItem } from "@keyferry/importers"

import { makeCbor, mutateJson } from "./engine/mutate.ts"
import { mutateText } from "./engine/mutate-text.ts"
import { type FuzzTarget, promise, textInput, textOf } from "./engine/target.ts"

const place = { itemId: new Uint8Array(16).fill(1), vaultId: new Uint8Array(32).fill(2) }
const examples: readonly Item[] = kinds.map((kind) =>
  makeItem({
    kind: kind.kind,
    title: kind.example.title,
    fields: new Map(
      Object.entries(kind.example.fields).map(([name, value]) => [
        name,
        { value, secret: kind.fields.find((spec) => spec.name === name)?.secret ?? kind.credential },
      ]),
    ),
    nowMs: 1_800_000_000_000,
    tags: ["a", "b"],
    notes: "two\nlines",
    leaseClass: "strict",
    origin: { source: "dotenv", id: ".env" },
    ...place,
  }),
)
const bodies = examples.map((item) => {
  const encoded = encodeItem({
    ...item,
    alternatives: [{ field: "title", value: "other", deviceId: new Uint8Array(16), revision: 2 }],
    unknownKeys: new Map([[40, [1, "later"]]]),
    unknownFlags: new Map([[9, true]]),
  })
  if (!encoded.ok) throw new Error(`example of ${item.kind}: ${encoded.error}`)
  return encoded.value
})

/** Everything that is done with a decoded item before a person sees it. */
const use = (item: Item): void => {
  const kind = kindByName(item.kind)
  if (kind === undefined) return
  kind.parse(item.fields, item.version)
  const line = kind.summary(item.fields)
  const all = [...item.fields.values()]
  // What also stands in a visible field is no secret any more.
  const shown = all.filter((field) => !field.secret).map((field) => field.value)
  for (const { value, secret } of all)
    if (secret && value.length > 12 && !shown.some((other) => other.includes(value)))
      promise(!line.includes(value), "a summary that tells a secret")
}

export const targets: readonly FuzzTarget[] = [
  {
    name: "item-bodies",
    make: makeCbor(bodies),
    run: (input) => {
      const decoded = decodeItem(input, place)
      if (!decoded.ok) return
      const encoded = encodeItem(decoded.value)
      promise(encoded.ok && equalBytes(encoded.value, input), "an item that was read is written differently")
      use(decoded.value)
      const json = jsonToItem(JSON.parse(JSON.stringify(itemToJson(decoded.value))))
      promise(json.ok, "an item that an archive cannot hold")
      const back = encodeItem(json.value)
      promise(back.ok && equalBytes(back.value, input), "an item that an archive changes")
    },
  },
  {
    name: "item-fields",
    make: (dice) => {
      const kind = dice.pick(kinds)
      const name = dice.pick([...kind.fields.map((spec) => spec.name), "anything"])
      const sample =
        kind.example.fields[name] ?? dice.pick(["https://example.com/a?b#c", "2027-03-01", "JBSWY3DPEHPK3PXP"])
      const words = [
        "://",
        "-----BEGIN PRIVATE KEY-----\n",
        "\n-----END PRIVATE KEY-----",
        "otpauth://totp/x?secret=",
        "?",
        "#",
        "/",
        ":",
      ]
      return textInput(`${kind.kind}\n${name}\n${dice.chance(20) ? sample : mutateText(dice, sample, words)}`)
    },
    run: (input) => {
      const [kindName = "", field = "", ...rest] = textOf(input).split("\n")
      const kind = kindByName(kindName)
      if (kind === undefined) return
      const spec = kind.fields.find((one) => one.name === field) ?? kind.customField(field)
      const normal = normaliseField(spec, rest.join("\n"))
      if (!normal.ok) return
      const again = normaliseField(spec, normal.value.value)
      promise(again.ok && again.value.value === normal.value.value, `cleaning ${field} twice gives another value`)
      kind.parse(new Map([[field, { value: normal.value.value, secret: spec.secret }]]))
    },
  },
  {
    name: "archive-lines",
    make: (dice) => {
      const json = itemToJson(dice.pick(examples))
      const changed = mutateJson(dice, json, ["itm_", "strict", "login", "unknown", "oQCg"])
      return textInput(dice.chance(5) ? mutateText(dice, JSON.stringify(changed)) : JSON.stringify(changed))
    },
    run: (input) => {
      let parsed: unknown
      try {
        parsed = JSON.parse(textOf(input))
      } catch {
        return
      }
      const item = jsonToItem(parsed)
      if (!item.ok) return
      use(item.value)
      const encoded = encodeItem(item.value)
      if (!encoded.ok) return
      const again = decodeItem(encoded.value, { itemId: item.value.itemId, vaultId: item.value.vaultId })
      promise(again.ok || kindByName(item.value.kind) !== undefined, "an imported item that cannot be read again")
    },
  },
]
