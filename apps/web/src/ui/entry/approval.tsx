import { useCallback, useEffect, useState } from "react"

import { t } from "../../i18n/translate.ts"
import { useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button } from "../kit/button.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import { ProgressBar } from "../kit/pieces.tsx"
import { QrCode } from "../kit/qr.tsx"
import { JoinAgain, JoinFailure } from "./join-failure.tsx"

/** The new device's half: three words to be typed on a device that has the keys, then two words from there. */
export const ApprovalHere = ({ onDone }: { readonly onDone: () => void }) => {
  const keyferry = useKeyferry()
  const start = useAct()
  const finish = useAct()
  const [shown, setShown] = useState<{ readonly words: readonly string[]; readonly scan: string }>()
  const [reply, setReply] = useState("")
  const { run } = start
  const { clear } = finish
  const begin = useCallback(() => {
    setShown(undefined)
    setReply("")
    clear()
    void run(() => keyferry.approvalWords()).then((answer) => setShown(answer?.value))
  }, [run, clear, keyferry])
  useEffect(begin, [begin])

  // Words that did not match end the exchange: the right ones, typed now, would not help.
  const isOver = finish.failure?.code === "approval-mismatch"

  if (shown === undefined) {
    return (
      <div className="stack">
        <p>{t("approval.open-other")}</p>
        {start.pending ? <ProgressBar label={t("approval.waiting")} /> : null}
        <FailureNotice
          failure={start.failure}
          actions={
            start.failure?.code === "signed-out" ? <JoinAgain /> : <Button onPress={begin}>{t("button.again")}</Button>
          }
        />
      </div>
    )
  }
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault()
        if (isOver) return
        const typed = reply
          .trim()
          .toLowerCase()
          .replaceAll(/[\s-]+/g, " ")
        void finish
          .run(() => keyferry.approvalReply(typed))
          .then((done) => {
            if (done !== undefined) onDone()
          })
      }}
    >
      <p>{t("approval.type-there")}</p>
      <div className="approval-words">
        <p className="words" translate="no">
          {shown.words.map((word) => (
            <span key={word}>{word}</span>
          ))}
        </p>
        <figure>
          <QrCode text={shown.scan} name={t("approval.qr")} />
          <figcaption className="muted">{t("approval.qr-what")}</figcaption>
        </figure>
      </div>
      <Field label={t("approval.reply")} hint={t("approval.reply-hint")} value={reply} onChange={setReply} mono />
      <JoinFailure failure={finish.failure} />
      {finish.pending ? <ProgressBar label={t("approval.getting")} /> : null}
      <div className="form-actions">
        {isOver ? null : (
          <Button tone="primary" submit pending={finish.pending} disabled={reply.trim().split(/[\s-]+/).length < 2}>
            {t("approval.finish")}
          </Button>
        )}
        {/* A mistyped word ends the exchange, on the other screen or on this one. */}
        {finish.pending ? null : (
          <Button tone={isOver ? "primary" : "quiet"} onPress={begin}>
            {t("approval.new-words")}
          </Button>
        )}
      </div>
    </form>
  )
}
