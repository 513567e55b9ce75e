import { useState } from "react"
import { Link, useLocation } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useSurroundings } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button } from "../kit/button.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { PageHead } from "../kit/pieces.tsx"
import { suggestedDeviceName } from "../shared/device-name.ts"
import { KitCodeField } from "../shared/kit-code-field.tsx"
import { isPasswordReady, NewPassword } from "../shared/new-password.tsx"
import { EntryFrame } from "./entry-frame.tsx"

/** The password is lost: the kit, the mailbox and the second factor bring the account back, with a new password. */
export const Recover = () => {
  const keyferry = useKeyferry()
  const surroundings = useSurroundings()
  const act = useAct()
  const [code, setCode] = useState("")
  const [password, setPassword] = useState("")
  const [, go] = useLocation()
  const start = async (): Promise<void> => {
    const done = await act.run(() =>
      keyferry.recoverStart({
        server: surroundings.origin,
        kitCode: code,
        deviceName: suggestedDeviceName(),
        // Chosen now: what follows is kept sealed under it, over a reload and over 72 hours.
        newPassword: password,
      }),
    )
    if (done !== undefined) go("/", { replace: true })
  }
  return (
    <EntryFrame>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          void start()
        }}
      >
        <PageHead title={t("recover.title")} lead={t("recover.lead")} />
        <KitCodeField value={code} onChange={setCode} />
        <NewPassword label={t("field.new-password")} value={password} onChange={setPassword} />
        <Notice tone="warn">{t("recover.warning")}</Notice>
        <FailureNotice failure={act.failure} />
        <div className="form-actions">
          <Button
            tone="primary"
            submit
            pending={act.pending}
            disabled={code.trim() === "" || !isPasswordReady(password)}
          >
            {t("recover.do")}
          </Button>
          <Link to="/sign-in">{t("recover.know-password")}</Link>
        </div>
      </form>
    </EntryFrame>
  )
}
