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

/** `place` names the question among those of one page. */
export const useStep = (place: string): readonly [string | undefined, (step: string | undefined) => void] => {
  const [step, setStep] = useState(() => read(place))
  return [
    step,
    (next) => {
      write(place, next)
      setStep(next)
    },
  ]
}

/** The same for what is either open or not. */
export const useOpen = (place: string): readonly [boolean, (open: boolean) => void] => {
  const [step, setStep] = useStep(place)
  return [step !== undefined, (open) => setStep(open ? "open" : undefined)]
}
