import { useEffect, useState } from "react"
import { Link, useLocation } from "wouter"

import type { EnrolmentState } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useRefresh, useStatus } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useStep } from "../data/use-step.ts"
import { Button } from "../kit/button.tsx"
import { RadioChoice } from "../kit/choice.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import { PageHead, ProgressBar } from "../kit/pieces.tsx"
import { keepKit } from "../kit-sheet/unsaved-kit.ts"
import { KitCodeField } from "../shared/kit-code-field.tsx"
import { ConfirmByMail, usePoll } from "../sync/confirm-device.tsx"
import { ApprovalHere } from "./approval.tsx"
import { EntryFrame } from "./entry-frame.tsx"
import { FactorLost } from "./factor-lost.tsx"
import { beginning, JoinAgain, JoinFailure } from "./join-failure.tsx"

/*
 * A device on its way into an account. Where it stands is kept by the SDK: a reload, a crash or a closed tab comes back
 * to the same step, and nothing is asked twice.
 */
export const Enrolment = ({ inside = false }: { readonly inside?: boolean }) => {
  const status = useStatus()
  const { enrolment } = status
  if (enrolment === undefined) return null
  const body = (
    <>
      <Steps state={enrolment} />
      <Step state={enrolment} />
      {enrolment.step === "done" || enrolment.reason !== undefined ? null : (
        <ul className="entry-links">
          <li>
            <Link to={beginning(enrolment)}>{t("enrolment.other")}</Link>
          </li>
        </ul>
      )}
    </>
  )
  return inside ? <div className="page">{body}</div> : <EntryFrame>{body}</EntryFrame>
}

const ORDER = ["second-factor", "confirm", "keys"] as const

const Steps = ({ state }: { readonly state: EnrolmentState }) => {
  const at = ORDER.findIndex((step) => step === state.step)
  return (
    <ol className="steps" aria-label={t("enrolment.steps")}>
      {ORDER.map((step, index) => (
        <li key={step} data-done={index < at ? "" : undefined} {...(index === at ? { "aria-current": "step" } : {})}>
          <span className="step-number">{index < at ? "✓" : index + 1}</span>
          {t(step === "keys" && state.purpose === "recovery" ? "enrolment.step-password" : `enrolment.step-${step}`)}
        </li>
      ))}
    </ol>
  )
}

const Step = ({ state }: { readonly state: EnrolmentState }) => {
  if (state.reason !== undefined) return <Ended state={state} />
  switch (state.step) {
    case "second-factor":
      return <SecondFactor state={state} />
    case "confirm":
      return <Confirm state={state} />
    case "keys":
      return state.purpose === "recovery" ? <FinishRecovery /> : <GetKeys state={state} />
    case "done":
      return <ProgressBar label={t("enrolment.almost")} />
  }
}

/** The server said why this ended; the way on is a new start. */
const Ended = ({ state }: { readonly state: EnrolmentState }) => {
  const keyferry = useKeyferry()
  const refresh = useRefresh()
  const act = useAct()
  // The device waits as before; only its link is too old.
  const canMail = state.reason === "verify-link-expired"
  return (
    <div className="stack">
      <PageHead title={t("enrolment.ended")} />
      <FailureNotice failure={state.reason === undefined ? undefined : { code: state.reason }} />
      <FailureNotice failure={act.failure} />
      <div className="form-actions">
        {canMail ? (
          <Button
            tone="primary"
            icon="mail"
            pending={act.pending}
            onPress={() =>
              void act.run(() => keyferry.requestMail()).then((done) => (done === undefined ? undefined : refresh()))
            }
          >
            {t("enrolment.new-mail")}
          </Button>
        ) : null}
        <JoinAgain tone={canMail ? "plain" : "primary"} />
      </div>
    </div>
  )
}

const SecondFactor = ({ state }: { readonly state: EnrolmentState }) => {
  const keyferry = useKeyferry()
  const act = useAct()
  const passkey = useAct()
  const [kind, setKind] = useState<"totp" | "recovery-code">("totp")
  const [code, setCode] = useState("")
  const submit = (typed: string): void => {
    passkey.clear()
    // No mail yet: a person asks for it, and approval by another device needs none.
    void act
      .run(() => keyferry.loginSecondFactor(kind, typed.replaceAll(/\s/g, ""), false))
      .then((done) => {
        if (done === undefined) setCode("")
      })
  }
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault()
        submit(code)
      }}
    >
      <PageHead
        title={t("factor.title")}
        lead={t(kind === "totp" ? "factor.lead" : "factor.lead-recovery")}
        focus={false}
      />
      <Field
        key={kind}
        label={t(kind === "totp" ? "factor.code" : "factor.recovery-code")}
        value={code}
        onChange={(text) => {
          setCode(text)
          if (kind === "totp" && /^\d{6}$/.test(text.replaceAll(/\s/g, ""))) submit(text)
        }}
        focused
        mono
        code={kind === "totp"}
        mode={kind === "totp" ? "numeric" : "text"}
        autoComplete="one-time-code"
        name="code"
      />
      <JoinFailure failure={act.failure ?? passkey.failure} />
      <div className="form-actions">
        <Button tone="primary" submit pending={act.pending} disabled={code.trim() === ""}>
          {t("button.continue")}
        </Button>
        <Button
          onPress={() => {
            setCode("")
            setKind(kind === "totp" ? "recovery-code" : "totp")
          }}
        >
          {t(kind === "totp" ? "factor.use-recovery" : "factor.use-app")}
        </Button>
      </div>
      {state.factors.includes("passkey") ? (
        <div>
          <Button
            icon="key"
            pending={passkey.pending}
            onPress={() => {
              act.clear()
              void passkey.run(() => keyferry.loginPasskey(false))
            }}
          >
            {t("factor.use-passkey")}
          </Button>
        </div>
      ) : null}
      <FactorLost others={[act, passkey]} />
    </form>
  )
}

const Confirm = ({ state }: { readonly state: EnrolmentState }) => {
  const keyferry = useKeyferry()
  const arrive = useArrive()
  const refresh = useRefresh()
  const canApprove = state.purpose === "login"
  const [chosen, setWay] = useStep("confirm")
  const [approver, setApprover] = useState(state.approver)
  const usual = approver && canApprove && state.mail === undefined ? "approve" : "mail"
  const way = chosen === "mail" || (chosen === "approve" && canApprove) ? chosen : usual
  useEffect(() => {
    // Whether another device could approve is the server's to say, and it may have changed since the last visit.
    void keyferry.confirmation().then((now) => setApprover(now.ok && now.value.approver))
  }, [keyferry])
  const [mailNow, setMailNow] = useState<EnrolmentState["mail"]>()
  const [started, setStarted] = useState(state.mail !== undefined)
  const failure = usePoll(
    async () => {
      const now = await keyferry.confirmation()
      if (!now.ok) return { done: false, failure: now.error }
      setMailNow(now.value.mail)
      const moved = now.value.step !== "confirm" || now.value.reason !== undefined
      if (moved) await refresh()
      return { done: moved }
    },
    way === "mail" && started,
  )
  return (
    <div className="stack">
      <PageHead title={t("confirm.title")} lead={t("confirm.lead")} />
      {canApprove ? (
        <RadioChoice
          label={t("confirm.how")}
          value={way}
          onChange={setWay}
          options={[
            { value: "approve", label: t("confirm.by-device"), hint: t("confirm.by-device-hint") },
            { value: "mail", label: t("confirm.by-mail"), hint: t("confirm.by-mail-hint") },
          ]}
        />
      ) : null}
      <div className="chosen-way">
        {way === "approve" ? (
          <ApprovalHere onDone={arrive} />
        ) : (
          <ConfirmByMail
            state={state}
            address={state.mailedTo ?? state.address}
            waiting={started}
            mailNow={mailNow}
            onMailed={() => {
              setMailNow(undefined)
              setStarted(true)
            }}
          />
        )}
      </div>
      <JoinFailure failure={failure} />
    </div>
  )
}

/** The keys are here; what they open is fetched by the next page, when the person says so. */
const useArrive = (): (() => void) => {
  const refresh = useRefresh()
  const [, go] = useLocation()
  return () => {
    go("/turn-on-sync")
    void refresh(true)
  }
}

const GetKeys = ({ state }: { readonly state: EnrolmentState }) => {
  const arrive = useArrive()
  const byPasskey = state.factors.includes("passkey")
  const [chosen, setWay] = useStep("keys")
  const usual = state.approver ? "approve" : byPasskey ? "passkey" : "kit"
  const way = chosen === "approve" || chosen === "kit" || (chosen === "passkey" && byPasskey) ? chosen : usual
  return (
    <div className="stack">
      <PageHead title={t("keys.title")} lead={t("keys.lead")} />
      <RadioChoice
        label={t("keys.how")}
        value={way}
        onChange={setWay}
        options={[
          {
            value: "approve",
            label: t("keys.by-device"),
            hint: t(state.approver ? "keys.by-device-hint" : "keys.no-device"),
          },
          ...(byPasskey
            ? [{ value: "passkey" as const, label: t("keys.by-passkey"), hint: t("keys.by-passkey-hint") }]
            : []),
          { value: "kit", label: t("keys.by-kit"), hint: t("keys.by-kit-hint") },
        ]}
      />
      <div className="chosen-way">
        {way === "approve" ? (
          <ApprovalHere onDone={arrive} />
        ) : way === "passkey" ? (
          <PasskeyForm onDone={arrive} />
        ) : (
          <KitForm onDone={arrive} />
        )}
      </div>
    </div>
  )
}

/** A passkey that unlocks holds a slot of the account; no kit and no other device is needed. */
const PasskeyForm = ({ onDone }: { readonly onDone: () => void }) => {
  const keyferry = useKeyferry()
  const act = useAct()
  return (
    <div className="stack">
      <p>{t("keys.passkey-what")}</p>
      <JoinFailure failure={act.failure} />
      {act.pending ? <ProgressBar label={t("approval.getting")} /> : null}
      <div>
        <Button
          tone="primary"
          icon="key"
          pending={act.pending}
          onPress={() =>
            void act.run(() => keyferry.finishWithPasskey()).then((done) => (done === undefined ? undefined : onDone()))
          }
        >
          {t("keys.do")}
        </Button>
      </div>
    </div>
  )
}

const KitForm = ({ onDone }: { readonly onDone: () => void }) => {
  const keyferry = useKeyferry()
  const act = useAct()
  const [code, setCode] = useState("")
  const finish = (text: string): void => {
    void act.run(() => keyferry.finishWithKit(text)).then((done) => (done === undefined ? undefined : onDone()))
  }
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault()
        finish(code)
      }}
    >
      <KitCodeField value={code} onChange={setCode} onScanned={finish} />
      <JoinFailure failure={act.failure} />
      {act.pending ? <ProgressBar label={t("keys.opening")} /> : null}
      <div className="form-actions">
        <Button tone="primary" submit pending={act.pending} disabled={code.trim() === ""}>
          {t("keys.do")}
        </Button>
      </div>
    </form>
  )
}

/** The password was chosen at the start, so that what came of it survives a reload. */
const FinishRecovery = () => {
  const keyferry = useKeyferry()
  const [, go] = useLocation()
  const act = useAct()
  const finish = async (): Promise<void> => {
    const done = await act.run(async () => {
      const kit = await keyferry.recoverFinish()
      if (kit.ok) keepKit(kit.value)
      return kit
    })
    // The device is in now and this page gone; the new kit is shown where kits are looked after.
    if (done !== undefined) go("/settings/sign-in")
  }
  return (
    <div className="form">
      <PageHead title={t("recover.ready")} lead={t("recover.ready-lead")} />
      <JoinFailure failure={act.failure} />
      <div className="form-actions">
        <Button tone="primary" pending={act.pending} onPress={() => void finish()}>
          {t("recover.finish")}
        </Button>
      </div>
      {act.pending ? <ProgressBar label={t("recover.working")} /> : null}
    </div>
  )
}
