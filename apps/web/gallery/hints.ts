import type { Page } from "playwright-core"

/** Longer than a hint waits before it opens and before it closes. */
const SETTLE_MS = 400

/** The words of a mark as WCAG 2.2, 1.4.13 wants them: with the keyboard too, dismissed by Escape, and a pointer may move onto them. */
export const lookAtHints = async (page: Page): Promise<readonly string[]> => {
  const mark = page.locator(".custody").first()
  const words = page.locator(".tooltip")
  const found: string[] = []
  const expectWords = async (there: boolean, when: string): Promise<void> => {
    await page.waitForTimeout(SETTLE_MS)
    if ((await words.count()) !== Number(there)) found.push(`hint: ${there ? "no words" : "words"} ${when}`)
  }
  // What had the focus from a key before shows the next one that gets it as such.
  await page.keyboard.press("Tab")
  await mark.focus()
  await expectWords(true, "when the keyboard reaches the mark")
  await page.keyboard.press("Escape")
  await expectWords(false, "after Escape")
  if (!(await mark.evaluate((node) => node === document.activeElement))) found.push("hint: Escape took the focus away")
  await mark.evaluate((node) => (node instanceof HTMLElement ? node.blur() : undefined))

  await mark.hover()
  await expectWords(true, "when the pointer is on the mark")
  await words.hover()
  await expectWords(true, "when the pointer has moved onto them")
  await page.keyboard.press("Escape")
  await expectWords(false, "after Escape with the pointer on them")
  await mark.hover()
  await expectWords(true, "when the pointer comes again")
  await page.mouse.move(0, 0)
  await expectWords(false, "when the pointer has left")
  return found
}
