import { useState } from "react"
import { useLocation } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useStatus, useSurroundings } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useAsk } from "../data/use-ask.ts"
import { useOpen } from "../data/use-step.ts"
import { KitCodeField } from "../shared/kit-code-field.tsx"
import { Button } from "../kit/button.tsx"
import { RadioChoice } from "../kit/choice.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { PageHead } from "../kit/pieces.tsx"
import { NameList } from "../shared/name-list.tsx"

/** Leaving this browser. What exists only here is named first, and the first button is the one that loses nothing. */
export const SignOut = () => {
  const keyferry = useKeyferry()
  const status = useStatus()
  const surroundings = useSurroundings()
  const [, go] = useLocation()
  const leaving = useAsk(() => keyferry.leaving(), "leaving")
  const act = useAct()
  const [clearing, setClearing] = useOpen("clear")
  const [sentence, setSentence] = useState("")
  const [proof, setProof] = useState<"kit" | "address">("kit")
  const [kitCode, setKitCode] = useState("")
  const [address, setAddress] = useState("")

  if (leaving.failure !== undefined) return <FailureNotice failure={leaving.failure} />
  const what = leaving.value
  if (what === undefined) return <div className="waiting" role="status" />
  const loses = what.unsynced.length + what.waiting
  const wanted = t("sign-out.sentence", { n: loses })
  const canSync = status.sync.on && surroundings.online && status.sync.state !== "offline"

  const clear = (): void =>
    void act
      .run(() =>
        keyferry.signOut({
          clear: true,
          confirmed: true,
          ...(what.lastDevice && proof === "kit" ? { kitCode } : {}),
          ...(what.lastDevice && proof === "address" ? { typedAddress: address } : {}),
        }),
      )
      .then((done) => {
        if (done !== undefined) go("/")
      })
  const syncThenClear = async (): Promise<void> => {
    const sent = await act.run(async () => {
      if (what.unsynced.length > 0) {
        const set = await keyferry.setPolicy(
          what.unsynced.map((item) => item.id),
          "synced",
        )
        if (!set.ok) return set
      }
      return keyferry.syncNow()
    })
    if (sent !== undefined) setClearing(true)
  }

  return (
    <div className="page">
      <PageHead title={t("sign-out.title")} lead={t(loses > 0 ? "sign-out.lead-loses" : "sign-out.lead")} />
      <div className="form">
        {loses > 0 ? (
          <Notice
            tone="danger"
            icon="alert"
            title={t("sign-out.only-here", { n: what.unsynced.length, waiting: what.waiting })}
          >
            <NameList items={what.unsynced} />
          </Notice>
        ) : null}
        <FailureNotice failure={act.failure} />
        {!clearing ? (
          <div className="stack">
            {loses > 0 ? (
              <div className="stack-tight">
                <div className="line">
                  <Button
                    tone="primary"
                    icon="cloud"
                    focused={canSync}
                    disabled={!canSync}
                    pending={act.pending}
                    onPress={() => void syncThenClear()}
                  >
                    {t("sign-out.sync-first", { n: loses })}
                  </Button>
                </div>
                {canSync ? null : (
                  <p className="muted">{t(status.sync.on ? "sign-out.offline" : "sign-out.sync-off")}</p>
                )}
                <div className="line">
                  <Button icon="folder" focused={!canSync} onPress={() => go("/settings/copies")}>
                    {t("sign-out.save-file")}
                  </Button>
                </div>
              </div>
            ) : null}
            <div className="line">
              {status.mode === "account" ? (
                <Button
                  tone={loses > 0 ? "plain" : "primary"}
                  icon="lock"
                  onPress={() =>
                    void act
                      .run(() => keyferry.signOut({ clear: false, confirmed: true }))
                      .then((done) => {
                        if (done !== undefined) go("/")
                      })
                  }
                >
                  {t("sign-out.keep")}
                </Button>
              ) : null}
              <Button icon="lock" onPress={() => void keyferry.lockEverywhere()}>
                {t("sign-out.just-lock")}
              </Button>
            </div>
            <div className="line">
              <Button tone="quiet-danger" onPress={() => setClearing(true)}>
                {t(loses > 0 ? "sign-out.delete" : "sign-out.clear", { n: loses })}
              </Button>
              <Button tone="quiet" onPress={() => history.back()}>
                {t("button.cancel")}
              </Button>
            </div>
          </div>
        ) : (
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault()
              clear()
            }}
          >
            <h2>{t("sign-out.clear-title")}</h2>
            <p>{t("sign-out.clear-what")}</p>
            {loses > 0 ? (
              <Field label={t("sign-out.type", { sentence: wanted })} value={sentence} onChange={setSentence} focused />
            ) : null}
            {what.lastDevice && status.mode === "account" ? (
              <>
                <Notice tone="warn" title={t("sign-out.last")}>
                  {t("sign-out.last-more")}
                </Notice>
                <RadioChoice
                  label={t("sign-out.proof")}
                  value={proof}
                  onChange={setProof}
                  options={[
                    { value: "kit", label: t("sign-out.proof-kit") },
                    { value: "address", label: t("sign-out.proof-address") },
                  ]}
                />
                {proof === "kit" ? (
                  <KitCodeField value={kitCode} onChange={setKitCode} />
                ) : (
                  <Field
                    label={t("sign-out.type-address", { address: what.address })}
                    value={address}
                    onChange={setAddress}
                    mode="email"
                  />
                )}
              </>
            ) : null}
            <div className="form-actions">
              <Button
                tone="danger"
                submit
                pending={act.pending}
                disabled={
                  (loses > 0 && sentence.trim() !== wanted) ||
                  (what.lastDevice &&
                    status.mode === "account" &&
                    (proof === "kit" ? kitCode.trim() === "" : address.trim() !== what.address))
                }
              >
                {t("sign-out.clear-do")}
              </Button>
              <Button onPress={() => setClearing(false)}>{t("button.cancel")}</Button>
            </div>
          </form>
        )}
      </div>
    </div>
  )
}
