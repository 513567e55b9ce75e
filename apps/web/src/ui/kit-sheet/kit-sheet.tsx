import { useMemo, useState } from "react"

import type { Kit } from "@keyferry/sdk"

import { day } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { Button } from "../kit/button.tsx"
import { Field } from "../kit/field.tsx"
import { PageHead } from "../kit/pieces.tsx"
import { QrCode } from "../kit/qr.tsx"
import { useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { ScanButton } from "../shared/scanner.tsx"
import { dropKit } from "./unsaved-kit.ts"

/** Case, spaces and dashes do not matter; O is 0, I and L are 1. */
const plain = (text: string): string =>
  text.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1")

/** The one time a kit is shown: print it, then prove that it can be read. */
export const KitSheet = ({ kit, onDone }: { readonly kit: Kit; readonly onDone: () => void }) => {
  const keyferry = useKeyferry()
  const act = useAct()
  const groups = useMemo(() => kit.code.split("-").slice(1), [kit.code])
  const [first, second] = useMemo(() => twoOf(groups.length), [groups.length])
  const [typed, setTyped] = useState(["", ""])
  const [wrong, setWrong] = useState(false)

  const finish = (): void => {
    dropKit()
    onDone()
  }
  /** The paper was read. The device notes that its kit was checked, and nothing of the code. */
  const proven = (): void => {
    void act.run(() => keyferry.checkKit(kit.code)).then((done) => (done === undefined ? undefined : finish()))
  }
  const check = (): void => {
    const right =
      plain(typed[0] ?? "") === plain(groups[first] ?? "") && plain(typed[1] ?? "") === plain(groups[second] ?? "")
    setWrong(!right)
    if (right) proven()
  }
  const scanned = (text: string): void => {
    if (plain(text) === plain(kit.code)) proven()
    else setWrong(true)
  }

  return (
    <div className="kit-page">
      <PageHead title={t("kit.title")} lead={t("kit.lead")} />
      <KitPaper kit={kit} groups={groups} />
      <div className="line">
        <Button tone="primary" icon="print" onPress={() => print()}>
          {t("kit.print")}
        </Button>
        <span className="muted">{t("kit.by-hand")}</span>
      </div>
      <form
        className="form kit-check"
        onSubmit={(event) => {
          event.preventDefault()
          check()
        }}
      >
        <h2>{t("kit.check-title")}</h2>
        <p className="muted">{t("kit.check-why")}</p>
        <div className="kit-groups">
          {[first, second].map((group, at) => (
            <Field
              key={group}
              label={t("kit.group", { n: group + 1 })}
              value={typed[at] ?? ""}
              onChange={(text) => {
                setWrong(false)
                setTyped(at === 0 ? [text, typed[1] ?? ""] : [typed[0] ?? "", text])
              }}
              mono
              maxLength={12}
              error={wrong ? t("kit.group-wrong") : undefined}
            />
          ))}
        </div>
        <div className="form-actions">
          <Button tone="primary" submit pending={act.pending} disabled={typed.some((text) => text.trim() === "")}>
            {t("kit.check")}
          </Button>
          <ScanButton name={t("kit.scan")} label={t("kit.scan")} instead={t("kit.scan-groups")} onText={scanned} />
        </div>
        <FailureNotice failure={act.failure} />
      </form>
      <Notice tone="info">{t("kit.later")}</Notice>
      <div>
        <Button tone="quiet" onPress={finish}>
          {t("kit.skip")}
        </Button>
      </div>
    </div>
  )
}

const twoOf = (groups: number): readonly [number, number] => {
  const [a = 0, b = 0] = crypto.getRandomValues(new Uint8Array(2))
  const first = a % (groups - 1)
  return [first, first + 1 + (b % (groups - 1 - first))]
}

/** The paper: black on white, one page of A4 or Letter, readable without colour. */
const KitPaper = ({ kit, groups }: { readonly kit: Kit; readonly groups: readonly string[] }) => (
  <section className="kit-paper" aria-label={t("kit.paper")}>
    <header className="kit-paper-head">
      <strong>{t("kit.paper-title")}</strong>
      <span>{day(Date.now(), 0)}</span>
    </header>
    <div className="kit-paper-body">
      <dl>
        <dt>{t("kit.server")}</dt>
        <dd>
          <bdi>{kit.server}</bdi>
        </dd>
        <dt>{t("kit.account")}</dt>
        <dd>
          <bdi>{kit.address}</bdi>
        </dd>
        <dt>{t("kit.code")}</dt>
        <dd className="kit-code" translate="no">
          <span>{kit.code.split("-")[0]}</span>
          {groups.map((group, at) => (
            // The groups of a code are what they are, where they are.
            // oxlint-disable-next-line react/no-array-index-key
            <span key={at} className="kit-group">
              <b>{group}</b>
              <i>{at + 1}</i>
            </span>
          ))}
        </dd>
        <dt>{t("kit.digits")}</dt>
        <dd className="mono" translate="no">
          {kit.accountDigits}
        </dd>
        <dt>{t("kit.words")}</dt>
        <dd className="mono" translate="no">
          {kit.serverWords}
        </dd>
        <dt>{t("kit.password")}</dt>
        <dd className="kit-line" />
      </dl>
      <QrCode text={kit.code} name={t("kit.qr")} />
    </div>
    <p>{t("kit.paper-foot")}</p>
  </section>
)
