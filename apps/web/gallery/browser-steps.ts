import type { Locator, Page } from "playwright-core"

import type { GalleryStep } from "./gallery-state.ts"

const WITHIN = { timeout: 4000 }

/** Where an element stands in the document: the same in every language. */
const placeOf = (node: Element): string => {
  const steps: string[] = []
  for (let at: Element = node; at.parentElement !== null; at = at.parentElement)
    steps.unshift(`${at.tagName.toLowerCase()}:nth-child(${[...at.parentElement.children].indexOf(at) + 1})`)
  return `html > ${steps.join(" > ")}`
}

const pasteInto = (node: Element, text: string): void => {
  const transfer = new DataTransfer()
  transfer.setData("text/plain", text)
  node.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }))
}

const targetOf = (page: Page, step: GalleryStep): Locator | undefined => {
  if ("click" in step) {
    // Hints belong to the names of boxes and switches.
    return isDrawn(step)
      ? page.getByRole(step.role ?? "checkbox", { name: new RegExp(`^${escaped(step.click)}`) }).first()
      : page.getByRole(step.role ?? "button", { name: step.click, exact: true }).first()
  }
  if ("open" in step) return page.getByText(step.open).first()
  if ("press" in step) return undefined
  const label = "fill" in step ? step.fill : step.paste
  return page
    .getByRole("textbox", { name: new RegExp(`^${escaped(label)}`) })
    .or(page.getByRole("combobox", { name: new RegExp(`^${escaped(label)}`) }))
    .or(page.getByRole("searchbox", { name: new RegExp(`^${escaped(label)}`) }))
    .or(page.locator("input[type=password]").and(page.getByLabel(new RegExp(`^${escaped(label)}`))))
    .first()
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")

/** Boxes and switches are small inputs under their own drawing. */
const isDrawn = (step: GalleryStep): boolean =>
  "click" in step && (step.role === "checkbox" || step.role === "radio" || step.role === "switch")

/** Does the steps and answers where each of them was done, so that they can be repeated in a language with other names. */
export const takeSteps = async (
  page: Page,
  steps: readonly GalleryStep[],
  places?: readonly (string | undefined)[],
): Promise<readonly (string | undefined)[]> => {
  const found: (string | undefined)[] = []
  for (const [at, step] of steps.entries()) {
    const place = places?.[at]
    const target = place === undefined ? targetOf(page, step) : page.locator(place)
    await target?.waitFor({ ...WITHIN, state: "attached" })
    found.push(target === undefined ? undefined : await target.evaluate(placeOf))
    await take(page, step, target)
    await page.waitForTimeout(30)
  }
  return found
}

const take = async (page: Page, step: GalleryStep, target: Locator | undefined): Promise<void> => {
  if ("press" in step) await page.keyboard.press(step.press)
  else if (target === undefined) return
  else if ("fill" in step) await target.fill(step.text, WITHIN)
  else if ("paste" in step) {
    await target.focus(WITHIN)
    await target.evaluate(pasteInto, step.text)
  } else if (isDrawn(step)) await target.dispatchEvent("click", undefined, WITHIN)
  else await target.click(WITHIN)
}
