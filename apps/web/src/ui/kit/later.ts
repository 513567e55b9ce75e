import { type ComponentType, lazy } from "react"

import { addTexts } from "../../i18n/translate.ts"

/** A screen that comes with a script of its own, and with the texts and styles that the first script leaves out. */
export const later = <Props>(load: () => Promise<ComponentType<Props>>) =>
  lazy(async () => {
    const [screen, { inside }] = await Promise.all([load(), import("./inside.ts")])
    addTexts(inside)
    return { default: screen }
  })
