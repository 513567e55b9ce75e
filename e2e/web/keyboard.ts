import type { Tab } from "./browsers.ts"
import { look, type Person } from "./person.ts"
import { until } from "./suite.ts"

/** As many as no page has. */
const MOST_STEPS = 160

interface Focused {
  readonly name: string
  readonly role: string
}

interface Described {
  readonly tagName: string
  readonly id: string
  readonly innerText: string
  readonly textContent: string | null
  readonly labels?: Iterable<Described> | null
  readonly type?: string
  readonly value?: string
  readonly checked?: boolean
  readonly getAttribute: (name: string) => string | null
  readonly shadowRoot?: unknown
}
declare const document: {
  readonly activeElement: Described | null
  readonly body: Described
  readonly querySelector: (selector: string) => Described | null
  readonly getElementById: (id: string) => Described | null
}

/** What a screen reader would say of the element that has the focus: enough of it to be told apart. */
const describeFocus = (): Focused => {
  const at = document.activeElement
  if (at === null || at.tagName === "BODY") return { name: "", role: "page" }
  const words = (text: string | null | undefined): string => (text ?? "").replaceAll(/\s+/g, " ").trim()
  const ids = (at.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean)
  const byIds = words(ids.map((id) => document.getElementById(id)?.textContent ?? "").join(" "))
  const labels = words([...(at.labels ?? [])].map((label) => label.innerText).join(" "))
  const name = words(at.getAttribute("aria-label")) || byIds || labels || words(at.innerText)
  return { name, role: at.getAttribute("role") ?? at.type ?? at.tagName.toLowerCase() }
}

const isNamed = (focused: Focused, name: string): boolean =>
  focused.name === name ||
  (name.endsWith(" ") && focused.name.startsWith(name)) ||
  focused.name.startsWith(`${name} `) ||
  focused.name.startsWith(`${name}\n`)

/** Has a keyboard and nothing else: what is not reached with Tab, arrows and Enter is not reached. */
export const typistAt = (tab: Tab): Person => {
  const focused = (): Promise<Focused> => look(() => tab.run(describeFocus, undefined))
  const text = (): Promise<string> => look(() => tab.run(() => document.body.innerText, undefined))

  /** With Tab alone, from where the focus is; a page that is still being drawn is gone round again. */
  const goTo = async (fits: (at: Focused) => boolean, what: string): Promise<Focused> => {
    const startedMs = performance.now()
    let met: string[] = []
    for (;;) {
      met = []
      for (let steps = 0; steps < MOST_STEPS; steps++) {
        const at = await focused()
        if (fits(at)) return at
        met.push(`${at.role} ${at.name.slice(0, 40)}`)
        // Once round: the page itself stands between its end and its beginning.
        if (at.role === "page" && steps > 3) break
        await tab.key("Tab")
      }
      if (performance.now() - startedMs > 45_000)
        throw new Error(`Tab never came to ${what}; it came to: ${met.join(" | ").slice(0, 1200)}`)
    }
  }
  const typist: Person = {
    tab,
    fill: async (name, value) => {
      await goTo((at) => isNamed(at, name) && !["button", "radio", "checkbox"].includes(at.role), `the field “${name}”`)
      const before = await tab.run(() => document.activeElement?.value?.length ?? 0, undefined)
      if (before > 0) await tab.key("Control+a")
      await tab.write(value)
    },
    press: async (name) => {
      const at = await goTo((found) => isNamed(found, name), `“${name}”`)
      await tab.key(["checkbox", "switch", "radio"].includes(at.role) ? "Space" : "Enter")
    },
    choose: async (name) => {
      const tried: string[] = []
      for (let groups = 0; groups < 3; groups++) {
        await goTo((at) => at.role === "radio", "the choice")
        for (let steps = 0; steps < 8; steps++) {
          const at = await focused()
          if (isNamed(at, name)) {
            // An arrow that moved has chosen; on the one where it began, Space does.
            await tab.key("Space")
            return
          }
          const met = at.name.slice(0, 40)
          // Once round, and what was chosen is so again: another group has it.
          if (tried.includes(met)) break
          tried.push(met)
          await tab.key("ArrowDown")
        }
        await tab.key("Tab")
      }
      throw new Error(`no choice “${name}” among ${tried.join(" | ")}`)
    },
    pick: async (menu, entry) => {
      for (let menus = 0; menus < 6; menus++) {
        await typist.press(menu)
        await until(async () => (await focused()).role.startsWith("menuitem"), `the menu “${menu}” has the focus`)
        for (let steps = 0; steps < 8; steps++) {
          if ((await focused()).name.startsWith(entry)) {
            await tab.key("Enter")
            return
          }
          await tab.key("ArrowDown")
        }
        // Another row's menu has it.
        await tab.key("Escape")
        await until(async () => (await focused()).name.startsWith(menu), "the focus is back where it was")
        await tab.key("Tab")
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
  return typist
}
