import { useEffect, useState } from "react"
import { useLocation, useSearch } from "wouter"

import type { Kit } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { useDevices, useKeyferry, useRefresh, useStatus } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useOpen, useStep } from "../data/use-step.ts"
import { KitCodeField } from "../shared/kit-code-field.tsx"
import { Button } from "../kit/button.tsx"
import { Checkbox } from "../kit/choice.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { Badge, Card, ProgressBar } from "../kit/pieces.tsx"
import { KitSheet } from "../kit-sheet/kit-sheet.tsx"
import { keepKit, takeKit } from "../kit-sheet/unsaved-kit.ts"
import { holdsKeys } from "../model/device-state.ts"
import { isPasswordReady, NewPassword } from "../shared/new-password.tsx"
import { PasswordField } from "../shared/password-field.tsx"
import { PasswordFailure } from "../shared/password-failure.tsx"
import { PasskeysCard } from "./passkeys.tsx"
import { RecoveryCodes, SecondFactorSetup } from "../sync/second-factor.tsx"

export const SignInSettings = () => {
  const status = useStatus()
  const [kit, setKit] = useState<Kit | undefined>(() => takeKit())
  if (kit !== undefined) return <KitSheet kit={kit} onDone={() => setKit(undefined)} />
  if (status.account === undefined) return <PasswordCard account={false} />
  return (
    <>
      <FactorCard />
      <PasswordCard account />
      <KitCard onKit={setKit} />
      <PasskeysCard />
    </>
  )
}

const FactorCard = () => {
  const keyferry = useKeyferry()
  const refresh = useRefresh()
  const { account, sync } = useStatus()
  const devices = useDevices().filter(holdsKeys).length
  const codes = useAct()
  const off = useAct()
  const [shown, setShown] = useState<readonly string[]>()
  const on = (account?.factors.length ?? 0) > 0
  const [setUp, setSetUp] = useOpen("factor-set-up")
  const [asking, setAsking] = useOpen("factor-off", on)
  const [password, setPassword] = useState("")
  return (
    <Card
      title={t("factor.card")}
      note={
        <Badge icon={on ? "check" : "alert"} tone={on ? "ok" : "warn"}>
          {t(on ? "factor.on" : "factor.off")}
        </Badge>
      }
    >
      {setUp ? (
        <SecondFactorSetup
          onDone={() => {
            setSetUp(false)
            void refresh(true)
          }}
        />
      ) : shown !== undefined ? (
        <RecoveryCodes codes={shown} onDone={() => setShown(undefined)} />
      ) : (
        <>
          <p>{t(on ? "factor.card-on" : "factor.why")}</p>
          <FailureNotice failure={codes.failure} />
          <div className="line">
            {on ? (
              <>
                <Button
                  pending={codes.pending}
                  onPress={() =>
                    void codes.run(() => keyferry.recoveryCodes()).then((made) => setShown(made?.value.codes))
                  }
                >
                  {t("factor.new-codes")}
                </Button>
                <Button tone="quiet-danger" onPress={() => setAsking(true)}>
                  {t("factor.turn-off")}
                </Button>
              </>
            ) : (
              <Button tone="primary" onPress={() => setSetUp(true)}>
                {t("factor.set-up")}
              </Button>
            )}
          </div>
        </>
      )}
      <Dialog title={t("factor.off-title")} open={asking} onClose={() => setAsking(false)} busy={off.pending}>
        {sync.on ? (
          <Notice tone="warn" title={t("factor.off-blocked", { n: devices })}>
            {t("factor.off-blocked-more")}
          </Notice>
        ) : (
          <p>{t("factor.off-body")}</p>
        )}
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault()
            void off
              .run(() => keyferry.twoFactorOff({ password, suspendSync: sync.on }))
              .then((done) => (done === undefined ? undefined : setAsking(false)))
          }}
        >
          <PasswordField value={password} onChange={setPassword} />
          <PasswordFailure failure={off.failure} />
          <DialogActions>
            <Button tone="danger" submit pending={off.pending} disabled={password === ""}>
              {t(sync.on ? "factor.off-with-sync" : "factor.turn-off")}
            </Button>
            <Button onPress={() => setAsking(false)}>{t("factor.keep")}</Button>
          </DialogActions>
        </form>
      </Dialog>
    </Card>
  )
}

const PasswordCard = ({ account }: { readonly account: boolean }) => {
  const keyferry = useKeyferry()
  const act = useAct()
  const [which, setWhich] = useStep("password")
  const [password, setPassword] = useState("")
  const [next, setNext] = useState("")
  const [exposed, setExposed] = useState(false)
  const [done, setDone] = useState(false)
  const close = (): void => {
    setWhich(undefined)
    setPassword("")
    setNext("")
    act.clear()
  }
  const change = async (): Promise<void> => {
    const changed = await act.run(() =>
      which === "account"
        ? keyferry.changePassword({ password, newPassword: next, exposed })
        : keyferry.changeDevicePassword({ password, newPassword: next }),
    )
    if (changed === undefined) return
    close()
    setDone(true)
  }
  return (
    <Card title={t("password.card")}>
      <p>{t(account ? "password.what-account" : "password.what-local")}</p>
      {done ? (
        <Notice tone="ok" live>
          {t("password.changed")}
        </Notice>
      ) : null}
      <div className="line">
        {account ? <Button onPress={() => setWhich("account")}>{t("settings.change-password")}</Button> : null}
        <Button tone={account ? "quiet" : "plain"} onPress={() => setWhich("device")}>
          {t("password.change-device")}
        </Button>
      </div>
      <Dialog
        title={t(which === "device" ? "password.device-title" : "settings.change-password")}
        open={which !== undefined}
        onClose={close}
        busy={act.pending}
      >
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault()
            if (isPasswordReady(next)) void change()
          }}
        >
          <p>{t(which === "device" ? "password.device-body" : "password.account-body")}</p>
          <Field
            label={t("field.current-password")}
            value={password}
            onChange={setPassword}
            secret
            focused
            autoComplete="current-password"
            name="password"
          />
          <NewPassword label={t("field.new-password")} value={next} onChange={setNext} />
          {which === "account" ? (
            <Checkbox checked={exposed} onChange={setExposed} hint={t("password.exposed-hint")}>
              {t("password.exposed")}
            </Checkbox>
          ) : null}
          <PasswordFailure failure={act.failure} />
          {act.pending ? <ProgressBar label={t("password.working")} /> : null}
          <DialogActions>
            <Button tone="primary" submit pending={act.pending} disabled={password === "" || !isPasswordReady(next)}>
              {t("settings.change-password")}
            </Button>
            <Button onPress={close}>{t("button.cancel")}</Button>
          </DialogActions>
        </form>
      </Dialog>
    </Card>
  )
}

const KitCard = ({ onKit }: { readonly onKit: (kit: Kit) => void }) => {
  const keyferry = useKeyferry()
  const { account } = useStatus()
  // The server takes no link from a device that waits for its first confirmation: a password typed here would be in vain.
  const isSettingUp = account?.deviceState === "pending-first"
  const check = useAct()
  const replace = useAct()
  const wanted = new URLSearchParams(useSearch()).get("kit")
  const [asking, setAsking] = useStep("kit")
  const [, go] = useLocation()
  // Asked for once: the page that comes back after the kit asks nothing.
  useEffect(() => {
    if (wanted === null) return
    go("/sign-in", { replace: true })
    setAsking(wanted === "new" ? "replace" : "check")
    // What sets it is a new function at every draw.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [wanted, go])
  const [code, setCode] = useState("")
  const [password, setPassword] = useState("")
  const [right, setRight] = useState(false)
  return (
    <Card title={t("kit.card")}>
      <p>{t("kit.card-what")}</p>
      {account?.kitUnchecked === true ? (
        <Notice tone="warn" title={t("banner.kit")}>
          {t("banner.kit-more")}
        </Notice>
      ) : null}
      <div className="line">
        <Button
          onPress={() => {
            setRight(false)
            setAsking("check")
          }}
        >
          {t("kit.card-check")}
        </Button>
        <Button onPress={() => setAsking("replace")}>{t("kit.card-replace")}</Button>
      </div>
      <Dialog
        title={t("kit.card-check")}
        open={asking === "check"}
        onClose={() => setAsking(undefined)}
        busy={check.pending}
      >
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault()
            void check.run(() => keyferry.checkKit(code)).then((done) => setRight(done !== undefined))
          }}
        >
          <KitCodeField value={code} onChange={setCode} />
          {right ? (
            <Notice tone="ok" live>
              {t("kit.card-right")}
            </Notice>
          ) : null}
          <FailureNotice failure={check.failure} />
          <DialogActions>
            <Button tone="primary" submit pending={check.pending} disabled={code.trim() === ""}>
              {t("kit.check")}
            </Button>
            <Button
              onPress={() => {
                setAsking(undefined)
                setCode("")
              }}
            >
              {t("button.close")}
            </Button>
          </DialogActions>
        </form>
      </Dialog>
      <Dialog
        title={t("kit.not-yet-title")}
        open={asking === "replace" && isSettingUp}
        onClose={() => setAsking(undefined)}
      >
        <p>{t("kit.not-yet")}</p>
        <DialogActions>
          <Button
            tone="primary"
            onPress={() => {
              setAsking(undefined)
              go("~/turn-on-sync")
            }}
          >
            {t("kit.not-yet-do")}
          </Button>
          <Button onPress={() => setAsking(undefined)}>{t("button.cancel")}</Button>
        </DialogActions>
      </Dialog>
      <Dialog
        title={t("kit.replace-title")}
        open={asking === "replace" && !isSettingUp}
        onClose={() => setAsking(undefined)}
        busy={replace.pending}
      >
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault()
            void replace
              .run(async () => {
                const kit = await keyferry.replaceKit({ password })
                if (kit.ok) keepKit(kit.value)
                return kit
              })
              .then((done) => {
                if (done === undefined) return
                setAsking(undefined)
                onKit(done.value)
              })
          }}
        >
          <p>{t("kit.replace-body")}</p>
          <PasswordField value={password} onChange={setPassword} focused />
          <PasswordFailure failure={replace.failure} />
          {replace.pending ? <ProgressBar label={t("progress.rotating")} /> : null}
          <DialogActions>
            <Button tone="primary" submit pending={replace.pending} disabled={password === ""}>
              {t("kit.replace-do")}
            </Button>
            <Button onPress={() => setAsking(undefined)}>{t("button.cancel")}</Button>
          </DialogActions>
        </form>
      </Dialog>
    </Card>
  )
}
