import { useState } from "react"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useRefresh } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button } from "../kit/button.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { QrCode } from "../kit/qr.tsx"
import { CopyText } from "../shared/copy-button.tsx"

const secretOf = (otpauth: string): string =>
  (/[?&]secret=([A-Z2-7]+)/i.exec(otpauth)?.[1] ?? "").replaceAll(/(.{4})(?=.)/g, "$1 ")

/** Scan, type the first code, and only then is it on. The recovery codes are offered next. */
export const SecondFactorSetup = ({ onDone }: { readonly onDone: () => void }) => {
  const keyferry = useKeyferry()
  const refresh = useRefresh()
  const act = useAct()
  const [otpauth, setOtpauth] = useState<string>()
  const [code, setCode] = useState("")
  const [codes, setCodes] = useState<readonly string[]>()

  if (codes !== undefined) return <RecoveryCodes codes={codes} onDone={onDone} />
  if (otpauth === undefined) {
    return (
      <div className="stack-tight">
        <p>{t("factor.why")}</p>
        <FailureNotice failure={act.failure} />
        <div>
          <Button
            tone="primary"
            pending={act.pending}
            onPress={() =>
              void act.run(() => keyferry.twoFactorStart()).then((started) => setOtpauth(started?.value.otpauth))
            }
          >
            {t("factor.set-up")}
          </Button>
        </div>
      </div>
    )
  }
  const confirm = async (typed: string): Promise<void> => {
    const on = await act.run(() => keyferry.twoFactorConfirm(typed.replaceAll(/\s/g, "")))
    if (on === undefined) {
      setCode("")
      return
    }
    const made = await act.run(() => keyferry.recoveryCodes())
    await refresh(true)
    if (made === undefined) onDone()
    else setCodes(made.value.codes)
  }
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault()
        void confirm(code)
      }}
    >
      <p>{t("factor.scan")}</p>
      <div className="factor-setup">
        <QrCode text={otpauth} name={t("factor.qr")} />
        <div className="stack-tight">
          <span className="muted">{t("factor.cannot-scan")}</span>
          <code className="factor-key">{secretOf(otpauth)}</code>
          <span>
            <CopyText text={secretOf(otpauth).replaceAll(" ", "")} name={t("factor.copy-key")} />
          </span>
          <span className="muted">{t("factor.kind")}</span>
        </div>
      </div>
      <Field
        label={t("factor.first-code")}
        value={code}
        onChange={(text) => {
          setCode(text)
          if (/^\d{6}$/.test(text.replaceAll(/\s/g, ""))) void confirm(text)
        }}
        mode="numeric"
        code
        autoComplete="one-time-code"
        name="code"
      />
      <FailureNotice failure={act.failure} />
      <div className="form-actions">
        <Button tone="primary" submit pending={act.pending} disabled={code.trim() === ""}>
          {t("factor.turn-on")}
        </Button>
      </div>
    </form>
  )
}

/** Shown once; each works once. */
export const RecoveryCodes = ({
  codes,
  onDone,
}: {
  readonly codes: readonly string[]
  readonly onDone: () => void
}) => {
  const text = codes.join("\n")
  const download = (): void =>
    saveFile(new TextEncoder().encode(`${text}\n`), "keyferry-recovery-codes.txt", "text/plain")
  return (
    <div className="stack">
      <Notice tone="ok" title={t("factor.is-on")}>
        {t("factor.codes-why", { n: codes.length })}
      </Notice>
      <ul className="recovery-codes" translate="no">
        {codes.map((one) => (
          <li key={one}>{one}</li>
        ))}
      </ul>
      <div className="line">
        <Button icon="down" onPress={download}>
          {t("factor.download")}
        </Button>
        <CopyText text={text} name={t("factor.copy-codes")} />
        <Button tone="primary" onPress={onDone}>
          {t("factor.saved")}
        </Button>
      </div>
    </div>
  )
}

/** Hands bytes to the browser's own way of saving; they leave this page only there. */
export const saveFile = (bytes: Uint8Array, name: string, type: string): void => {
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type }))
  const link = document.createElement("a")
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
