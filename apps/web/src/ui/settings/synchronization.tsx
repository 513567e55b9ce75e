import { useState } from "react"

import { t } from "../../i18n/translate.ts"
import { useDevices, useItems, useKeyferry, useStatus, useSurroundings } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useOpen } from "../data/use-step.ts"
import { Button, ButtonLink } from "../kit/button.tsx"
import { RadioChoice, Switch } from "../kit/choice.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { Card } from "../kit/pieces.tsx"
import { holdsKeys } from "../model/device-state.ts"
import { isCredential } from "../model/kinds.ts"
import { PasswordField } from "../shared/password-field.tsx"
import { PasswordFailure } from "../shared/password-failure.tsx"
import { ChoiceByKind } from "./accounts.tsx"
import { AutomaticSync } from "./automatic-sync.tsx"
import { SyncSwitch } from "./sync-switch.tsx"

/** Settings › Account › Synchronization: the device's switch, the vault's switch for credentials, and each choice. */
export const SynchronizationSettings = () => {
  const { sync, account } = useStatus()
  return (
    <>
      <Card title={t("general.sync")}>
        <SyncSwitch />
        <p className="line">
          <ButtonLink to="~/security" tone="quiet">
            {t("general.how-secured")}
          </ButtonLink>
          <ButtonLink to="~/about-vaults" tone="quiet">
            {t("turn-on.about-vaults")}
          </ButtonLink>
        </p>
      </Card>
      {sync.on ? (
        <>
          <CredentialSwitch />
          <AutomaticSync />
          <ChoiceByKind />
        </>
      ) : null}
      {account === undefined ? null : <WholeAccount />}
    </>
  )
}

const CredentialSwitch = () => {
  const keyferry = useKeyferry()
  const { sync } = useStatus()
  const items = useItems()
  const surroundings = useSurroundings()
  const act = useAct()
  const [asking, setAsking] = useOpen("credential-switch", sync.credentials)
  const [elsewhere, setElsewhere] = useState<"keep" | "delete">("keep")
  const leaving = items.filter((item) => item.policy === "synced" && isCredential(item.kind)).length
  return (
    <Card title={t("credential-switch.title")}>
      <Switch
        on={sync.credentials}
        onChange={(on) => (on ? void act.run(() => keyferry.setCredentialSync(true)) : setAsking(true))}
        hint={t(sync.credentials ? "credential-switch.on" : "credential-switch.off")}
      >
        {t("credential-switch.label")}
      </Switch>
      <p className="muted">{t("credential-switch.what")}</p>
      <FailureNotice failure={act.failure} />
      <Dialog
        title={t("credential-switch.stop-title")}
        open={asking}
        onClose={() => setAsking(false)}
        busy={act.pending}
      >
        <p>{t("credential-switch.stop-body", { n: leaving })}</p>
        <RadioChoice
          label={t("policy.elsewhere")}
          value={elsewhere}
          onChange={setElsewhere}
          options={[
            { value: "keep", label: t("credential-switch.keep") },
            { value: "delete", label: t("credential-switch.delete") },
          ]}
        />
        <Notice tone="danger" title={t("credential-switch.danger")}>
          {t("credential-switch.danger-more")}
        </Notice>
        {surroundings.storage === "may-be-cleared" ? <Notice tone="warn">{t("policy.local-warning")}</Notice> : null}
        <FailureNotice failure={act.failure} />
        <DialogActions>
          <Button
            tone="danger"
            pending={act.pending}
            onPress={() =>
              void act
                .run(() => keyferry.setCredentialSync(false, elsewhere))
                .then((done) => (done === undefined ? undefined : setAsking(false)))
            }
          >
            {t("credential-switch.stop")}
          </Button>
          <Button onPress={() => setAsking(false)} focused>
            {t("button.cancel")}
          </Button>
        </DialogActions>
      </Dialog>
    </Card>
  )
}

/** Sync stops on every device at once. It goes with the second factor, without which nothing may sync. */
const WholeAccount = () => {
  const keyferry = useKeyferry()
  const { account } = useStatus()
  const devices = useDevices().filter(holdsKeys).length
  const act = useAct()
  const resume = useAct()
  const suspended = account?.syncSuspended === true
  const [asking, setAsking] = useOpen("whole-account", !suspended)
  const [password, setPassword] = useState("")
  return (
    <Card title={t("whole-account.title")}>
      <p>{t(suspended ? "whole-account.suspended" : "whole-account.body", { n: devices })}</p>
      <FailureNotice failure={resume.failure} />
      <div>
        {suspended ? (
          <Button pending={resume.pending} onPress={() => void resume.run(() => keyferry.syncResume())}>
            {t("whole-account.resume")}
          </Button>
        ) : (
          <Button tone="quiet-danger" onPress={() => setAsking(true)}>
            {t("whole-account.do")}
          </Button>
        )}
      </div>
      <Dialog title={t("whole-account.title-ask")} open={asking} onClose={() => setAsking(false)} busy={act.pending}>
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault()
            void act
              .run(() => keyferry.twoFactorOff({ password, suspendSync: true }))
              .then((done) => (done === undefined ? undefined : setAsking(false)))
          }}
        >
          <ul className="consequences">
            <li>{t("whole-account.1", { n: devices })}</li>
            <li>{t("whole-account.2")}</li>
            <li>{t("whole-account.3")}</li>
          </ul>
          <PasswordField value={password} onChange={setPassword} />
          <PasswordFailure failure={act.failure} />
          <DialogActions>
            <Button tone="danger" submit pending={act.pending} disabled={password === ""}>
              {t("whole-account.do")}
            </Button>
            <Button onPress={() => setAsking(false)}>{t("button.cancel")}</Button>
          </DialogActions>
        </form>
      </Dialog>
    </Card>
  )
}
