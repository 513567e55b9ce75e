import { useState } from "react"

/*
 * What stands open on a page, such as a question in a dialog. It is kept in this entry of the tab's history: a reload, a crash or a
 * lock comes back to it, another page does not, and no link can open it. Nothing that was typed is kept here.
 */
const read = (place: string): string | undefined => {
  const { steps }: { readonly steps?: Readonly<Record<string, unknown>> } = Object(history.state)
  const step = steps?.[place]
  return typeof step === "string" ? step : undefined
}

const write = (place: string, step: string | undefined): void => {
  const state: { readonly steps?: object } = Object(history.state)
  history.replaceState({ ...state, steps: { ...state.steps, [place]: step } }, "")
}

/**
 * `place` names the question among those of one page. `isOpen`: whether a question that a reload comes back to still is one; its
 * answer may have been carried out by then.
 */
export const useStep = (
  place: string,
  isOpen: (step: string) => boolean = () => true,
): readonly [string | undefined, (step: string | undefined) => void] => {
  const [step, setStep] = useState(() => {
    const found = read(place)
    return found === undefined || isOpen(found) ? found : undefined
  })
  return [
    step,
    (next) => {
      write(place, next)
      setStep(next)
    },
  ]
}

/** The same for what is either open or not. */
export const useOpen = (place: string, isOpen = true): readonly [boolean, (open: boolean) => void] => {
  const [step, setStep] = useStep(place, () => isOpen)
  return [step !== undefined, (open) => setStep(open ? "open" : undefined)]
}
