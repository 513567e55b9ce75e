import type { Tab } from "./browsers.ts"

/** What somebody does with one page of the app, by keyboard or by pointer. */
export interface Person {
  readonly tab: Tab
  /** Goes to the control with this name and types into it what it shall hold. */
  readonly fill: (name: string, text: string) => Promise<void>
  /** Goes to a button, link, box or switch and presses it. */
  readonly press: (name: string) => Promise<void>
  /** Goes to a group of radio buttons and moves to the one that begins so. */
  readonly choose: (name: string) => Promise<void>
  /** Opens menus of that name, one after the other, until one has an entry that begins so, and takes it. */
  readonly pick: (menu: string, entry: string) => Promise<void>
  readonly key: (name: string) => Promise<void>
  readonly sees: (text: string, withinMs?: number) => Promise<void>
  readonly text: () => Promise<string>
  readonly textOf: (selector: string) => Promise<string>
}

/** A page that is left while it is looked at is looked at again; the one that comes has its own answer. */
export const look = async <T>(work: () => Promise<T>): Promise<T> => {
  for (let tries = 0; ; tries++) {
    try {
      return await work()
    } catch (error) {
      const isLeft = error instanceof Error && /context|navigation|frame|realm|null/i.test(error.message)
      if (!isLeft || tries === 20) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
