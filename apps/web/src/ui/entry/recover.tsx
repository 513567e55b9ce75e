import { useState } from "react"
import { Link } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useSurroundings } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button } from "../kit/button.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { PageHead } from "../kit/pieces.tsx"
import { suggestedDeviceName } from "../shared/device-name.ts"
import { canScan, Scanner } from "../shared/scanner.tsx"
import { KitCodeField } from "./enrolment.tsx"
import { EntryFrame } from "./entry-frame.tsx"

/** The password is lost: the kit, the mailbox and the second factor bring the account back, with a new password. */
export const Recover = () => {
  const keyferry = useKeyferry()
  const surroundings = useSurroundings()
  const act = useAct()
  const [code, setCode] = useState("")
  const [scanning, setScanning] = useState(false)
  const start = (text: string): void =>
    void act.run(() =>
      keyferry.recoverStart({ server: surroundings.origin, kitCode: text, deviceName: suggestedDeviceName() }),
    )
  return (
    <EntryFrame>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          start(code)
        }}
      >
        <PageHead title={t("recover.title")} lead={t("recover.lead")} />
        <KitCodeField value={code} onChange={setCode} onScan={canScan() ? () => setScanning(true) : undefined} />
        <Notice tone="warn">{t("recover.warning")}</Notice>
        <FailureNotice failure={act.failure} />
        <div className="form-actions">
          <Button tone="primary" submit pending={act.pending} disabled={code.trim() === ""}>
            {t("recover.do")}
          </Button>
          <Link to="/sign-in">{t("recover.know-password")}</Link>
        </div>
      </form>
      {scanning ? (
        <Scanner
          label={t("kit.scan")}
          onClose={() => setScanning(false)}
          onText={(text) => {
            setScanning(false)
            setCode(text)
            start(text)
          }}
        />
      ) : null}
    </EntryFrame>
  )
}
