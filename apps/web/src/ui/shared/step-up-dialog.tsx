import { useEffect, useRef, useState } from "react"

import type { Failure } from "@keyferry/sdk/errors"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useStatus } from "../data/app-context.tsx"
import { Button } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice } from "../kit/notice.tsx"

/** The password or the second factor, once more, for what must not happen because somebody left the desk. */
export const StepUpDialog = ({
  need,
  onEnd,
}: {
  readonly need: "password" | "factor"
  readonly onEnd: (given: boolean) => void
}) => {
  const keyferry = useKeyferry()
  const status = useStatus()
  const [typed, setTyped] = useState("")
  const [pending, setPending] = useState(false)
  const [failure, setFailure] = useState<Failure>()

  // It may open over another dialog, which holds the focus until this one is drawn.
  const field = useRef<HTMLInputElement & HTMLTextAreaElement>(null)
  useEffect(() => {
    const frame = requestAnimationFrame(() => field.current?.focus())
    return () => cancelAnimationFrame(frame)
  }, [need])

  const withPasskey = async (): Promise<void> => {
    setPending(true)
    const checked = await keyferry.twoFactorPasskey()
    setPending(false)
    if (checked.ok) onEnd(true)
    else setFailure(checked.error)
  }

  const confirm = async (): Promise<void> => {
    setPending(true)
    setFailure(undefined)
    const code = typed.replaceAll(/\s/g, "")
    const checked = await (need === "password"
      ? keyferry.confirmPassword(typed)
      : keyferry.twoFactorCheck(/^\d{6,8}$/.test(code) ? "totp" : "recovery-code", code))
    setPending(false)
    if (checked.ok) onEnd(true)
    else setFailure(checked.error)
  }

  const [account, setAccount] = useState(status.account)
  const [isAsked, setAsked] = useState(account?.deviceState !== "unknown")
  useEffect(() => {
    if (isAsked) return
    // A locked device does not know which factors there are; the server does.
    void keyferry.status({ fresh: true }).then((now) => {
      setAccount(now.account)
      setAsked(true)
    })
  }, [keyferry, isAsked])
  // Where not even the server says, whoever has a passkey only must not stand before a field.
  const mayHavePasskey =
    account?.factors.includes("passkey") === true || (isAsked && account?.deviceState === "unknown")

  return (
    <Dialog
      title={t(need === "password" ? "step-up.password" : "step-up.factor")}
      open
      onClose={() => onEnd(false)}
      busy={pending}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          void confirm()
        }}
      >
        <p>{t(need === "password" ? "step-up.password-why" : "step-up.factor-why")}</p>
        <FailureNotice failure={failure} />
        {need === "password" ? (
          <Field
            label={t("field.password")}
            value={typed}
            onChange={setTyped}
            secret
            ref={field}
            autoComplete="current-password"
            name="password"
          />
        ) : (
          <Field
            label={t("field.code")}
            hint={t("field.code-hint")}
            value={typed}
            onChange={setTyped}
            ref={field}
            mono
            autoComplete="one-time-code"
            name="code"
          />
        )}
        <DialogActions>
          <Button tone="primary" submit pending={pending} disabled={typed === ""}>
            {t("step-up.confirm")}
          </Button>
          {need === "factor" && mayHavePasskey ? (
            <Button icon="key" disabled={pending} onPress={() => void withPasskey()}>
              {t("factor.use-passkey")}
            </Button>
          ) : null}
          <Button onPress={() => onEnd(false)}>{t("button.cancel")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
