import { useState } from "react"
import { Link } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button } from "../kit/button.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { PageHead, ProgressBar } from "../kit/pieces.tsx"
import { KitCodeField } from "../shared/kit-code-field.tsx"
import { isPasswordReady, NewPassword } from "../shared/new-password.tsx"
import { EntryFrame } from "./entry-frame.tsx"

/** Opens what is on this browser with the kit alone: no server, no password. */
export const Rescue = () => {
  const keyferry = useKeyferry()
  const act = useAct()
  const [code, setCode] = useState("")
  const [password, setPassword] = useState("")
  return (
    <EntryFrame>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          void act.run(() => keyferry.rescue(code, password))
        }}
      >
        <PageHead title={t("rescue.title")} lead={t("rescue.lead")} />
        <KitCodeField value={code} onChange={setCode} />
        <NewPassword label={t("rescue.password")} value={password} onChange={setPassword} />
        <Notice tone="warn">{t("rescue.leaves-account")}</Notice>
        <FailureNotice failure={act.failure} />
        {act.pending ? <ProgressBar label={t("rescue.working")} /> : null}
        <div className="form-actions">
          <Button
            tone="primary"
            submit
            pending={act.pending}
            disabled={code.trim() === "" || !isPasswordReady(password)}
          >
            {t("rescue.do")}
          </Button>
          <Link to="/">{t("entry.back")}</Link>
        </div>
      </form>
    </EntryFrame>
  )
}
