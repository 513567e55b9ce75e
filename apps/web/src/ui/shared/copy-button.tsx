import { useEffect, useState } from "react"

import { t } from "../../i18n/translate.ts"
import { Button } from "../kit/button.tsx"
import { TimerRing } from "../kit/pieces.tsx"
import { CLEAR_AFTER_S, copySecret, copyText, useClipboard } from "../model/clipboard.ts"

/** Copies a secret; the button then shows how long it stays on the clipboard. */
export const CopySecret = ({
  field,
  item,
  value,
  tone = "plain",
}: {
  readonly field: string
  readonly item: string
  readonly value: () => Promise<string | undefined>
  readonly tone?: "plain" | "quiet" | "primary"
}) => {
  const clipboard = useClipboard()
  const what = t("copy.what", { field, item })
  const holding = clipboard.state === "holding" && clipboard.what === what
  const left = useSecondsLeft(holding ? clipboard.sinceMs : undefined)
  return (
    <Button
      tone={tone}
      icon={holding ? undefined : "copy"}
      name={holding ? t("copy.copied-name", { what }) : t("copy.name", { field, item })}
      onPress={() => {
        void value().then(async (text) => {
          if (text !== undefined) await copySecret(text, what, "button")
        })
      }}
    >
      {holding ? (
        <>
          <TimerRing seconds={CLEAR_AFTER_S} />
          <span>{t("copy.done")}</span>
          {/* Drawn by the style sheet: seen as time passes, and no new name for the button every second. */}
          <span className="numbers seconds-left" data-left={t("copy.seconds", { n: left })} />
        </>
      ) : (
        t("copy.copy")
      )}
    </Button>
  )
}

const useSecondsLeft = (sinceMs: number | undefined): number => {
  const [nowMs, setNowMs] = useState(() => Date.now())
  useEffect(() => {
    if (sinceMs === undefined) return undefined
    setNowMs(Date.now())
    const timer = setInterval(() => setNowMs(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [sinceMs])
  return sinceMs === undefined ? 0 : Math.max(0, Math.ceil(CLEAR_AFTER_S - (nowMs - sinceMs) / 1000))
}

/** Copies what is no secret. */
export const CopyText = ({
  text,
  label,
  name,
}: {
  readonly text: string
  readonly label?: string
  readonly name: string
}) => {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return undefined
    const timer = setTimeout(() => setCopied(false), 3000)
    return () => clearTimeout(timer)
  }, [copied])
  return (
    <Button
      tone="quiet"
      icon={copied ? "check" : "copy"}
      name={copied ? t("copy.done") : name}
      onPress={() => void copyText(text).then(setCopied)}
    >
      {copied ? t("copy.done") : (label ?? t("copy.copy"))}
    </Button>
  )
}
