import { useRef, useState } from "react"

import type { ImportReport } from "@keyferry/sdk"
import type { Failure } from "@keyferry/sdk/errors"

import { t } from "../../i18n/translate.ts"
import { useItems, useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button } from "../kit/button.tsx"
import { RadioChoice } from "../kit/choice.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { Card, ProgressBar } from "../kit/pieces.tsx"
import { isPasswordReady, NewPassword } from "../shared/new-password.tsx"
import { saveFile } from "../sync/second-factor.tsx"

/** A file that opens without us: out and in. */
export const CopiesSettings = () => (
  <>
    <ExportCard />
    <ImportCard />
  </>
)

const ExportCard = () => {
  const keyferry = useKeyferry()
  const items = useItems()
  const act = useAct()
  const [passphrase, setPassphrase] = useState("")
  const [saved, setSaved] = useState(false)
  const save = async (): Promise<void> => {
    const made = await act.run(() => keyferry.exportArchive({ passphrase }))
    if (made === undefined) return
    saveFile(made.value, `keyferry-${new Date().toISOString().slice(0, 10)}.tar.age`, "application/octet-stream")
    setSaved(true)
    setPassphrase("")
  }
  return (
    <Card title={t("copies.export")}>
      <p>{t("copies.export-what", { n: items.length })}</p>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          if (isPasswordReady(passphrase)) void save()
        }}
      >
        <NewPassword label={t("copies.passphrase")} value={passphrase} onChange={setPassphrase} />
        <FailureNotice failure={act.failure} />
        {saved ? (
          <Notice tone="ok" live>
            {t("copies.saved")}
          </Notice>
        ) : null}
        {act.pending ? <ProgressBar label={t("copies.making")} /> : null}
        <div>
          <Button tone="primary" icon="down" submit pending={act.pending} disabled={!isPasswordReady(passphrase)}>
            {t("copies.export-do")}
          </Button>
        </div>
      </form>
    </Card>
  )
}

const ImportCard = () => {
  const keyferry = useKeyferry()
  const act = useAct()
  const chooser = useRef<HTMLInputElement>(null)
  const [file, setFile] = useState<{ readonly name: string; readonly bytes: Uint8Array }>()
  const [passphrase, setPassphrase] = useState("")
  const [mode, setMode] = useState<"skip" | "keep-both">("skip")
  const [report, setReport] = useState<ImportReport>()
  const [unreadable, setUnreadable] = useState<Failure>()
  const read = async (chosen: File): Promise<void> => {
    setReport(undefined)
    try {
      setFile({ name: chosen.name, bytes: new Uint8Array(await chosen.arrayBuffer()) })
      setUnreadable(undefined)
    } catch {
      // The file was moved or the browser lost the leave to read it.
      setUnreadable({ code: "import-failed" })
    }
  }
  const bring = async (): Promise<void> => {
    if (file === undefined) return
    const key = passphrase.startsWith("AGE-SECRET-KEY-") ? { identity: passphrase.trim() } : { passphrase }
    const done = await act.run(() => keyferry.importArchive(file.bytes, key, mode))
    if (done === undefined) return
    setReport(done.value)
    setFile(undefined)
    setPassphrase("")
  }
  return (
    <Card title={t("copies.import")}>
      <p>{t("copies.import-what")}</p>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          void bring()
        }}
      >
        <input
          ref={chooser}
          type="file"
          hidden
          tabIndex={-1}
          onChange={(event) => {
            const [chosen] = event.target.files ?? []
            if (chosen !== undefined) void read(chosen)
          }}
        />
        <div className="line">
          <Button icon="folder" onPress={() => chooser.current?.click()}>
            {t("copies.choose")}
          </Button>
          {file === undefined ? null : <bdi>{file.name.slice(0, 120)}</bdi>}
        </div>
        {file === undefined ? null : (
          <>
            <Field
              label={t("copies.import-passphrase")}
              value={passphrase}
              onChange={setPassphrase}
              secret
              autoComplete="off"
            />
            <RadioChoice
              label={t("copies.same")}
              value={mode}
              onChange={setMode}
              options={[
                { value: "skip", label: t("copies.skip") },
                { value: "keep-both", label: t("copies.keep-both") },
              ]}
            />
          </>
        )}
        <FailureNotice failure={act.failure ?? unreadable} />
        {act.pending ? <ProgressBar label={t("progress.importing")} /> : null}
        {report === undefined ? null : (
          <Notice
            tone={report.different.length + report.refused.length > 0 ? "warn" : "ok"}
            live
            title={t("copies.imported", {
              added: report.added,
              skipped: report.skipped,
              refused: report.refused.length,
            })}
          >
            <Named what={t("copies.different")} names={report.different} />
            <Named what={t("copies.refused")} names={report.refused} />
            <p>{t("copies.imported-more")}</p>
          </Notice>
        )}
        {file === undefined ? null : (
          <div>
            <Button tone="primary" submit pending={act.pending} disabled={passphrase === ""}>
              {t("copies.import-do")}
            </Button>
          </div>
        )}
      </form>
    </Card>
  )
}

const MOST_NAMES = 20

const Named = ({ what, names }: { readonly what: string; readonly names: readonly string[] }) =>
  names.length === 0 ? null : (
    <>
      <p>{what}</p>
      <ul className="consequences">
        {names.slice(0, MOST_NAMES).map((name) => (
          <li key={name}>
            <bdi>{name.slice(0, 200)}</bdi>
          </li>
        ))}
        {names.length > MOST_NAMES ? <li>{t("list.and-more", { n: names.length - MOST_NAMES })}</li> : null}
      </ul>
    </>
  )
