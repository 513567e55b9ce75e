import { describe, expect, test } from "vitest"

import { en } from "./en/index.ts"
import { type Formats, formatMessage, type Message, parseMessage } from "./icu.ts"
import { pseudoMessage, pseudoText } from "./pseudo.ts"

const formats: Formats = {
  plural: (n) => new Intl.PluralRules("en").select(n),
  number: (n) => String(n),
  isolate: (text) => text,
}
const say = (text: string, args: Readonly<Record<string, string | number>> = {}): string =>
  formatMessage(parseMessage(text), args, formats)

describe("messages", () => {
  test("plural, exact number, select and what stands around them", () => {
    const text =
      "{n, plural, =0 {Nothing is} one {# change is} other {# changes are}} {where, select, here {here} other {there}}."
    expect([0, 1, 3].map((n) => say(text, { n, where: "here" }))).toEqual([
      "Nothing is here.",
      "1 change is here.",
      "3 changes are here.",
    ])
    expect(say(text, { n: 2, where: "x" })).toBe("2 changes are there.")
  })

  test("a forgotten argument is seen", () => expect(say("Hello {name}")).toBe("Hello {name}"))

  test("an argument is never read as a message", () => {
    expect(say("“{name}”", { name: "{n, plural, other {#}} '{' #" })).toBe("“{n, plural, other {#}} '{' #”")
  })

  test.each(["{", "}", "{n, plural, one {x}}", "{n, date}", "{n, plural, other {x}"])("%s is refused", (text) => {
    expect(() => parseMessage(text)).toThrow(SyntaxError)
  })
})

/** Every argument and every word outside the arguments. */
const partsOf = (message: Message): string[] =>
  message.flatMap((part) =>
    part.type === "plural" || part.type === "select"
      ? Object.values(part.options).flatMap(partsOf)
      : part.type === "text"
        ? [part.text]
        : [],
  )

describe("the English catalogue", () => {
  test("every message is well formed", () => {
    for (const text of Object.values(en)) expect(() => parseMessage(text), text).not.toThrow()
  })

  test("nothing is said twice under one id, and no file overwrites another's", async () => {
    const files = await Promise.all(
      (
        [
          "account-log",
          "devices",
          "entry",
          "error-actions",
          "frame",
          "items",
          "joining",
          "pages",
          "settings",
          "sync",
          "words",
        ] as const
      ).map(async (name) => Object.values((await import(`./en/${name}.ts`)) as Record<string, object>)[0] ?? {}),
    )
    expect(files.reduce((sum, file) => sum + Object.keys(file).length, 0)).toBe(Object.keys(en).length)
  })

  test("in the accented language no letter of a message stays plain, and it is longer", () => {
    for (const text of Object.values(en)) {
      const accented = partsOf(pseudoMessage("en-XA", parseMessage(text))).join("")
      expect(accented.replaceAll(/[^A-Za-z]/g, ""), text).toBe("")
    }
    expect(pseudoText("en-XA", "Remove this device").length).toBeGreaterThanOrEqual(Math.ceil(18 * 1.4))
  })
})
