import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"

import type { Page } from "playwright-core"

const require = createRequire(import.meta.url)
/** The library's own bundle, put into the page by the browser's debugger: the page's policy lets no such text in. */
const AXE = require.resolve("axe-core/axe.min.js")

interface AxeResult {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
  }[]
}

/** What axe finds, one line each: rule, element, what is missing. WCAG 2.2 AA and the rules of good practice. */
export const lookWithAxe = async (page: Page): Promise<readonly string[]> => {
  await page.evaluate(await axeText())
  const result = (await page.evaluate(
    // React Aria puts two hidden buttons beside an open popover, for readers that have no Escape; they need no landmark.
    "axe.run(document, { resultTypes: ['violations'], rules: { region: { enabled: document.querySelector('.popover') === null } } })",
  )) as AxeResult
  return result.violations.flatMap(({ id, nodes }) =>
    nodes
      .slice(0, 3)
      .map(
        (node) => `axe ${id}: ${node.html.slice(0, 160)} – ${(node.failureSummary ?? "").split("\n")[1]?.trim() ?? ""}`,
      ),
  )
}

let text: Promise<string> | undefined
const axeText = (): Promise<string> => (text ??= readFile(AXE, "utf8"))

/** Elements that are wider than the page, which would make it scroll sideways. */
export const lookForOverflow = async (page: Page): Promise<readonly string[]> => {
  const wide = (await page.evaluate(`(() => {
    const limit = document.documentElement.clientWidth
    if (document.documentElement.scrollWidth <= limit) return []
    return [...document.querySelectorAll("body *")]
      .filter((node) => node.getBoundingClientRect().right > limit + 1)
      .slice(0, 3)
      .map((node) => node.tagName + "." + node.className)
  })()`)) as readonly string[]
  return wide.map((node) => `wider than the page: ${node}`)
}

/**
 * Words on screen without an accent, in the accented language. User data stands in `<bdi>` and `<code>` or between marks of
 * isolation, names of keys in `<kbd>`.
 */
export const lookForPlainText = async (page: Page): Promise<readonly string[]> => {
  const found = (await page.evaluate(`(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const plain = []
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const parent = node.parentElement
      if (!parent || parent.closest("bdi, code, kbd, script, style, noscript, textarea, [translate=no], [data-live-announcer], .brand, [data-react-aria-top-layer] [data-hidden]")) continue
      let text = node.textContent.trim()
      for (let before = ""; before !== text; ) {
        before = text
        text = text.replace(/\\u2068[^\\u2068\\u2069]*\\u2069/g, "")
      }
      if (/[A-Za-z]{3,}/.test(text)) plain.push(parent.tagName.toLowerCase() + "." + parent.className + ": " + text.slice(0, 60))
    }
    return [...new Set(plain)].slice(0, 5)
  })()`)) as readonly string[]
  return found.map((text) => `not accented: ${text}`)
}
