import { useEffect } from "react"

import { type MessageId, t } from "../../i18n/translate.ts"

const PLACES: readonly (readonly [string, MessageId])[] = [
  ["/devices", "place.devices"],
  ["/replace", "replace.title"],
  ["/activity", "place.activity"],
  ["/bin", "place.bin"],
  ["/settings", "place.settings"],
  ["/turn-on-sync", "sync.turn-on"],
  ["/security", "security.title"],
]

/** The place and no more: a browser keeps titles in its history, and the name of a credential has no business there. */
export const useTabTitle = (location: string): void => {
  useEffect(() => {
    const known = PLACES.find(([path]) => location === path || location.startsWith(`${path}/`))
    document.title = `${t(known?.[1] ?? "place.credentials")} · Keyferry`
    return () => {
      document.title = "Keyferry"
    }
  }, [location])
}
