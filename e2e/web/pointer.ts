import type { Tab } from "./browsers.ts"
import { look, type Person } from "./person.ts"
import { until } from "./suite.ts"

interface Wanted {
  readonly name: string
  readonly kind: "field" | "control" | "radio" | "menuitem"
  /** The so manieth of that name, from 0. */
  readonly nth: number
}

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}
interface Drawn {
  readonly tagName: string
  readonly innerText: string
  readonly labels?: Iterable<Drawn> | null
  readonly type?: string
  readonly value?: string
  readonly getAttribute: (name: string) => string | null
  readonly textContent: string | null
  readonly closest: (selector: string) => Drawn | null
  readonly matches: (selector: string) => boolean
  readonly scrollIntoView: (options: object) => void
  readonly getBoundingClientRect: () => Box
}
declare const document: {
  readonly body: Drawn
  readonly querySelector: (selector: string) => Drawn | null
  readonly querySelectorAll: (selector: string) => Iterable<Drawn>
  readonly getElementById: (id: string) => Drawn | null
}

/** Where the control with that name is drawn; `undefined` while it is not, or while a dialog lies over it. */
const placeOf = ({
  name,
  kind,
  nth,
}: Wanted): { readonly x: number; readonly y: number; readonly value: string } | undefined => {
  const words = (text: string | null | undefined): string => (text ?? "").replaceAll(/\s+/g, " ").trim()
  const nameOf = (at: Drawn): string => {
    const ids = (at.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean)
    const byIds = words(ids.map((id) => document.getElementById(id)?.textContent ?? "").join(" "))
    const labels = words([...(at.labels ?? [])].map((label) => label.innerText).join(" "))
    return words(at.getAttribute("aria-label")) || byIds || labels || words(at.innerText)
  }
  const selectors = {
    field: "input:not([type=checkbox],[type=radio]), textarea",
    control: "button, a[href], summary, input[type=checkbox], [role=option]",
    radio: "input[type=radio]",
    menuitem: "[role^=menuitem]",
  } as const
  // The last one lies on top.
  const overlay = [...document.querySelectorAll("[role=dialog], [role=alertdialog], [role=menu]")].at(-1)
  const reachable = [...document.querySelectorAll(selectors[kind])].filter(
    (at) =>
      at.getBoundingClientRect().width > 0 &&
      (overlay === undefined || at.closest("[role=dialog], [role=alertdialog], [role=menu]") === overlay),
  )
  const exact = reachable.filter((at) => nameOf(at) === name)
  const start = name.endsWith(" ") ? name : `${name} `
  // Hints and values belong to the names of some controls.
  const found = exact.length > 0 ? exact : reachable.filter((at) => nameOf(at).startsWith(start))
  const at = found[nth]
  if (at === undefined || at.matches("[disabled], [aria-disabled=true]")) return undefined
  // Boxes and radios are small inputs under their own drawing.
  const drawn = at.type === "checkbox" || at.type === "radio" ? (at.closest("label") ?? at) : at
  drawn.scrollIntoView({ block: "center", behavior: "instant" })
  const box = drawn.getBoundingClientRect()
  if (box.width === 0 || box.height === 0) return undefined
  const isSmall = drawn !== at
  return {
    x: box.x + (isSmall ? Math.min(12, box.width / 2) : box.width / 2),
    y: box.y + box.height / 2,
    value: at.value ?? "",
  }
}

/** Has a pointer, and a keyboard for what is typed. */
export const pointerAt = (tab: Tab): Person => {
  const text = (): Promise<string> => look(() => tab.run(() => document.body.innerText, undefined))
  const find = (wanted: Wanted) => look(() => tab.run(placeOf, wanted))
  const clickOn = async (wanted: Wanted): Promise<string> => {
    let place: Awaited<ReturnType<typeof find>>
    await until(
      async () => {
        const before = await find(wanted)
        place = await find(wanted)
        // What still moves is not there yet.
        return place !== undefined && before?.x === place.x && before.y === place.y
      },
      `the ${wanted.kind} “${wanted.name}”`,
      45_000,
    )
    if (place === undefined) throw new Error(wanted.name)
    await tab.click(place.x, place.y)
    return place.value
  }
  const person: Person = {
    tab,
    fill: async (name, value) => {
      const before = await clickOn({ name, kind: "field", nth: 0 })
      if (before.length > 0) await tab.key("End")
      for (let left = before.length; left > 0; left--) await tab.key("Backspace")
      await tab.write(value)
    },
    press: async (name) => void (await clickOn({ name, kind: "control", nth: 0 })),
    choose: async (name) => void (await clickOn({ name, kind: "radio", nth: 0 })),
    pick: async (menu, entry) => {
      for (let nth = 0; nth < 6; nth++) {
        await clickOn({ name: menu, kind: "control", nth })
        await until(
          () => look(() => tab.run(() => document.querySelector("[role=menu]") !== null, undefined)),
          `the menu “${menu}”`,
        )
        if ((await find({ name: entry, kind: "menuitem", nth: 0 })) !== undefined) {
          await clickOn({ name: entry, kind: "menuitem", nth: 0 })
          return
        }
        await tab.key("Escape")
        await until(
          () => look(() => tab.run(() => document.querySelector("[role=menu]") === null, undefined)),
          "the menu is gone",
        )
      }
      throw new Error(`no entry “${entry}” in any menu “${menu}”`)
    },
    key: tab.key,
    sees: async (wanted, withinMs = 45_000) => {
      const seen = await until(async () => (await text()).includes(wanted), wanted, withinMs).catch(() => undefined)
      if (seen === undefined)
        throw new Error(`never seen: ${wanted}; on the screen: ${(await text()).replaceAll(/\s+/g, " ").slice(0, 600)}`)
    },
    text,
    textOf: (selector) => look(() => tab.run((wanted) => document.querySelector(wanted)?.innerText ?? "", selector)),
  }
  return person
}
