import { type ReactNode, type RefObject, useEffect, useRef, useState } from "react"
import { Tooltip, TooltipTriggerStateContext } from "react-aria-components"

const OPEN_AFTER_MS = 150
const CLOSE_AFTER_MS = 100

/**
 * A mark whose words stand in a tooltip and in the accessible name. A plain button until it is pointed at or reached with the
 * keyboard: a list draws one for each row at every letter of its filter.
 */
export const Hint = ({
  className,
  name,
  words,
  children,
}: {
  readonly className: string
  readonly name: string
  readonly words: string
  readonly children: ReactNode
}) => {
  const button = useRef<HTMLButtonElement>(null)
  const [near, setNear] = useState<"pointer" | "keyboard">()
  return (
    <>
      <button
        type="button"
        className={className}
        aria-label={name}
        ref={button}
        onPointerEnter={({ pointerType }) => {
          // A finger that is lifted would leave the words standing.
          if (pointerType !== "touch") setNear((before) => before ?? "pointer")
        }}
        onFocus={({ currentTarget }) => {
          if (currentTarget.matches(":focus-visible")) setNear("keyboard")
        }}
      >
        {children}
      </button>
      {near === undefined ? null : (
        <Words of={button} afterMs={near === "keyboard" ? 0 : OPEN_AFTER_MS} onGone={() => setNear(undefined)}>
          {words}
        </Words>
      )}
    </>
  )
}

/** There while the pointer is on the mark or on these words, or the mark has the focus; Escape and a press take them away. */
const Words = ({
  of,
  afterMs,
  onGone,
  children,
}: {
  readonly of: RefObject<HTMLButtonElement | null>
  readonly afterMs: number
  readonly onGone: () => void
  readonly children: string
}) => {
  const [open, setOpen] = useState(afterMs === 0)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const gone = useRef(onGone)
  useEffect(() => {
    gone.current = onGone
  })
  const stay = (): void => clearTimeout(timer.current)
  const leave = (): void => {
    stay()
    timer.current = setTimeout(() => gone.current(), CLOSE_AFTER_MS)
  }
  useEffect(() => {
    const until = new AbortController()
    const { signal } = until
    const mark = of.current
    timer.current = setTimeout(() => setOpen(true), afterMs)
    mark?.addEventListener("pointerenter", stay, { signal })
    mark?.addEventListener("pointerleave", leave, { signal })
    for (const name of ["blur", "pointerdown"]) mark?.addEventListener(name, () => gone.current(), { signal })
    document.addEventListener(
      "keydown",
      (event) => {
        if (event.key !== "Escape") return
        event.stopPropagation()
        gone.current()
      },
      { signal, capture: true },
    )
    return () => {
      stay()
      until.abort()
    }
  }, [of, afterMs])
  const state = {
    isOpen: open,
    shouldSkipAnimation: false,
    open: stay,
    close: (atOnce?: boolean) => (atOnce === true ? onGone() : leave()),
  }
  return (
    <TooltipTriggerStateContext value={state}>
      <Tooltip className="tooltip" offset={6} triggerRef={of} onPointerEnter={stay} onPointerLeave={leave}>
        {children}
      </Tooltip>
    </TooltipTriggerStateContext>
  )
}
