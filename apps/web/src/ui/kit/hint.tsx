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
  const words = useRef<HTMLDivElement>(null)
  const gone = useRef(onGone)
  useEffect(() => {
    gone.current = onGone
  })
  useEffect(() => {
    const opening = setTimeout(() => setOpen(true), afterMs)
    return () => clearTimeout(opening)
  }, [afterMs])
  useEffect(() => {
    const until = new AbortController()
    const { signal } = until
    const mark = of.current
    let closing: ReturnType<typeof setTimeout> | undefined
    const isOurs = (at: EventTarget | null): boolean =>
      at instanceof Node && (mark?.contains(at) === true || words.current?.contains(at) === true)
    // One event for both ends of a step: those of React come before those of the element, and the last one would count.
    document.addEventListener(
      "pointerout",
      ({ target, relatedTarget }) => {
        if (isOurs(relatedTarget)) clearTimeout(closing)
        else if (isOurs(target)) closing = setTimeout(() => gone.current(), CLOSE_AFTER_MS)
      },
      { signal },
    )
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
      clearTimeout(closing)
      until.abort()
    }
  }, [of])
  const state = {
    isOpen: open,
    shouldSkipAnimation: false,
    open: () => undefined,
    // At once: what the words stand at was scrolled away. The pointer's steps are heard above.
    close: (atOnce?: boolean) => (atOnce === true ? onGone() : undefined),
  }
  return (
    <TooltipTriggerStateContext value={state}>
      <Tooltip className="tooltip" offset={6} triggerRef={of} ref={words}>
        {children}
      </Tooltip>
    </TooltipTriggerStateContext>
  )
}
