import { useCallback, useSyncExternalStore } from "react"

/** Whether a media query fits now, drawn again when that changes: a phone is turned, a page zoomed, a window narrowed. */
export const useMedia = (query: string): boolean =>
  useSyncExternalStore(
    useCallback(
      (listener) => {
        const list = matchMedia(query)
        list.addEventListener("change", listener)
        return () => list.removeEventListener("change", listener)
      },
      [query],
    ),
    () => matchMedia(query).matches,
  )
