import { useEffect } from "react"

import { errors } from "@keyferry/sdk/errors"

import { fromTable, t } from "../../i18n/translate.ts"
import { Button } from "../kit/button.tsx"
import { IconButton } from "../kit/icon-button.tsx"
import { Icon } from "../kit/icon.tsx"
import { CLEAR_AFTER_S, clearNow, type ClipboardState, dismissClipboard, useClipboard } from "../model/clipboard.ts"

/** What became of a copied secret, said once for readers and shown where it covers nothing. */
export const ClipboardChip = () => {
  const clipboard = useClipboard()
  const left = clipboard.state === "left"
  useEffect(() => {
    if (!left) return undefined
    // Only with leave that was given before: asking for it just for this would be a worse question than the answer.
    const tryAgain = async (): Promise<void> => {
      const permission = await navigator.permissions
        .query({ name: "clipboard-read" as PermissionName })
        .catch(() => undefined)
      if (permission?.state === "granted") await clearNow()
    }
    const onFocus = (): void => void tryAgain()
    addEventListener("focus", onFocus)
    return () => removeEventListener("focus", onFocus)
  }, [left])
  const words = wordsOf(clipboard)
  // The button that was pressed says it by itself.
  const shown = clipboard.state !== "empty" && !(clipboard.state === "holding" && clipboard.from === "button")
  return (
    <>
      <span className="unseen" role="status">
        {words}
      </span>
      {shown ? (
        <div className="chip">
          <Icon name={isDone(clipboard) ? "check" : "alert"} size={16} />
          <span aria-hidden="true">
            <bdi>{words}</bdi>
          </span>
          {clipboard.state === "left" ? (
            <Button tone="quiet" onPress={() => void clearNow()}>
              {t("clipboard.clear")}
            </Button>
          ) : null}
          <IconButton icon="close" name={t("button.dismiss")} onPress={dismissClipboard} />
        </div>
      ) : null}
    </>
  )
}

const isDone = ({ state }: ClipboardState): boolean => state === "holding" || state === "copied" || state === "cleared"

const wordsOf = (clipboard: ClipboardState): string => {
  switch (clipboard.state) {
    case "holding":
      return clipboard.from === "button"
        ? t("clipboard.holding")
        : t("clipboard.holding-what", { what: clipboard.what, n: CLEAR_AFTER_S })
    case "copied":
      return t("clipboard.copied", { what: clipboard.what })
    case "refused":
      return fromTable(errors[clipboard.code].sentence)
    case "cleared":
      return t("clipboard.cleared")
    case "left":
      return t("clipboard.left")
    case "failed":
      return t("clipboard.failed")
    case "empty":
      return ""
  }
}
