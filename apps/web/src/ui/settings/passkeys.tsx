import { useState } from "react"

import type { PasskeyInfo } from "@keyferry/sdk"

import { ago, day } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useAsk } from "../data/use-ask.ts"
import { useNow } from "../data/use-now.ts"
import { useOpen, useStep } from "../data/use-step.ts"
import { Button } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { Badge, Card } from "../kit/pieces.tsx"
import { PasswordField } from "../shared/password-field.tsx"
import { PasswordFailure } from "../shared/password-failure.tsx"

/** Two plain badges: signs in, or signs in and unlocks. What a passkey can do is found out when it is added. */
export const PasskeysCard = () => {
  const keyferry = useKeyferry()
  const passkeys = useAsk(() => keyferry.passkeys(), "passkeys")
  const nowMs = useNow()
  const [adding, setAdding] = useOpen("passkey-add")
  const [removingId, setRemoving] = useStep("passkey-remove")
  const removing = passkeys.value?.find((passkey) => passkey.id === removingId)
  const [added, setAdded] = useState<"signs-in" | "unlocks">()
  return (
    <Card title={t("passkeys.title")}>
      <p>{t("passkeys.what")}</p>
      <FailureNotice failure={passkeys.failure} />
      {added === undefined ? null : (
        <Notice tone={added === "unlocks" ? "ok" : "info"} live>
          {t(added === "unlocks" ? "passkeys.added-unlocks" : "passkeys.added-signs-in")}
        </Notice>
      )}
      <ul className="plain-rows">
        {(passkeys.value ?? []).map((passkey) => (
          <li key={passkey.id} className="plain-row">
            <span className="plain-row-name">
              <bdi className="strong">{passkey.label.slice(0, 80)}</bdi>
              <span className="muted">
                {t("passkeys.when", {
                  added: day(passkey.createdAtMs, nowMs),
                  used: passkey.lastUsedAtMs === 0 ? t("passkeys.never") : ago(passkey.lastUsedAtMs, nowMs),
                })}
              </span>
            </span>
            <Badge icon={passkey.unlocks ? "key" : "login"} tone={passkey.unlocks ? "ok" : "info"}>
              {t(
                passkey.unlocks
                  ? passkey.signsIn
                    ? "passkeys.unlocks"
                    : "passkeys.only-unlocks"
                  : "passkeys.signs-in",
              )}
            </Badge>
            {passkey.here ? null : (
              <Badge icon="alert" tone="warn">
                {t("passkeys.elsewhere", { address: passkey.address })}
              </Badge>
            )}
            <Button
              tone="quiet-danger"
              name={t("passkeys.remove-name", { name: passkey.label.slice(0, 80) })}
              onPress={() => setRemoving(passkey.id)}
            >
              {t("passkeys.remove")}
            </Button>
          </li>
        ))}
      </ul>
      <div>
        <Button icon="add" onPress={() => setAdding(true)}>
          {t("passkeys.add")}
        </Button>
      </div>
      {adding ? (
        <AddPasskeyDialog
          onClose={() => setAdding(false)}
          onAdded={(unlocks) => {
            setAdding(false)
            setAdded(unlocks ? "unlocks" : "signs-in")
            passkeys.again()
          }}
        />
      ) : null}
      {removing === undefined ? null : (
        <RemovePasskeyDialog
          passkey={removing}
          onClose={() => {
            setRemoving(undefined)
            passkeys.again()
          }}
        />
      )}
    </Card>
  )
}

const AddPasskeyDialog = ({
  onClose,
  onAdded,
}: {
  readonly onClose: () => void
  readonly onAdded: (unlocks: boolean) => void
}) => {
  const keyferry = useKeyferry()
  const act = useAct()
  const [label, setLabel] = useState("")
  const [password, setPassword] = useState("")
  return (
    <Dialog title={t("passkeys.add")} open onClose={onClose} busy={act.pending}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          void act
            .run(() => keyferry.passkeyAdd({ label: label.trim(), password }))
            .then((done) => {
              if (done !== undefined) onAdded(done.value.unlocks)
            })
        }}
      >
        <p>{t("passkeys.add-what", { host: location.host })}</p>
        <Field
          label={t("passkeys.label")}
          hint={t("passkeys.label-hint")}
          value={label}
          onChange={setLabel}
          maxLength={64}
          focused
        />
        <PasswordField value={password} onChange={setPassword} />
        <PasswordFailure failure={act.failure} />
        <DialogActions>
          <Button tone="primary" submit pending={act.pending} disabled={label.trim() === "" || password === ""}>
            {t("passkeys.add-do")}
          </Button>
          <Button onPress={onClose}>{t("button.cancel")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}

const RemovePasskeyDialog = ({ passkey, onClose }: { readonly passkey: PasskeyInfo; readonly onClose: () => void }) => {
  const keyferry = useKeyferry()
  const act = useAct()
  const [password, setPassword] = useState("")
  return (
    <Dialog
      title={t("passkeys.remove-title", { name: passkey.label.slice(0, 80) })}
      open
      onClose={onClose}
      busy={act.pending}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          void act
            .run(() => keyferry.passkeyRemove({ id: passkey.id, password }))
            .then((done) => {
              if (done !== undefined) onClose()
            })
        }}
      >
        <p>{t(passkey.unlocks ? "passkeys.remove-unlocks" : "passkeys.remove-signs-in")}</p>
        <PasswordField value={password} onChange={setPassword} focused />
        <PasswordFailure failure={act.failure} />
        <DialogActions>
          <Button tone="danger" submit pending={act.pending} disabled={password === ""}>
            {t("passkeys.remove")}
          </Button>
          <Button onPress={onClose}>{t("button.cancel")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
