import { useEffect } from "react"

import { t } from "../../i18n/translate.ts"
import { Button } from "../kit/button.tsx"
import { IconButton } from "../kit/icon-button.tsx"
import { Icon } from "../kit/icon.tsx"
import { clearNow, dismissClipboard, useClipboard } from "../model/clipboard.ts"

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
  const words =
    clipboard.state === "holding"
      ? t("clipboard.holding")
      : clipboard.state === "cleared"
        ? t("clipboard.cleared")
        : clipboard.state === "left"
          ? t("clipboard.left")
          : clipboard.state === "failed"
            ? t("clipboard.failed")
            : ""
  const shown = clipboard.state !== "empty" && clipboard.state !== "holding"
  return (
    <>
      <span className="unseen" role="status">
        {words}
      </span>
      {shown ? (
        <div className="chip">
          <Icon name={clipboard.state === "cleared" ? "check" : "alert"} size={16} />
          <span aria-hidden="true">{words}</span>
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
