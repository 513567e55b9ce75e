import { useCallback, useEffect, useRef, useState } from "react"
import { Link, useLocation } from "wouter"

import type { Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"
import { deviceOfScan } from "@keyferry/sdk/scan-text"

import { ago } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useItems, useKeyferry, useSnapshot } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useNow } from "../data/use-now.ts"
import { Button } from "../kit/button.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { PageHead, ProgressBar } from "../kit/pieces.tsx"
import { ScanButton } from "../shared/scanner.tsx"

/** A five-second task: the three words from the other screen, typed or scanned; two words go back. */
export const ApprovePage = ({ id }: { readonly id: string }) => {
  const keyferry = useKeyferry()
  const [, go] = useLocation()
  const devices = useSnapshot((snapshot) => snapshot.devices)
  const synced = useItems().filter((item) => item.policy === "synced").length
  const nowMs = useNow()
  const begin = useAct()
  const act = useAct()
  const [words, setWords] = useState("")
  const [foreign, setForeign] = useState(false)
  const [reply, setReply] = useState<readonly string[]>()
  const [outcome, setOutcome] = useState<Result<void, Failure>>()
  const device = devices?.find((candidate) => candidate.id === id)
  const { run } = begin
  const begun = useRef<Promise<unknown>>(Promise.resolve())
  /** The new device shows its words only after this one has answered it. Behind a start whose end the page still takes in, not instead of it. */
  const start = useCallback(() => {
    const next = (): Promise<unknown> => run(() => keyferry.approveStart(id))
    begun.current = begun.current.then(next, next)
  }, [run, keyferry, id])
  useEffect(start, [start])

  /** The three words, or the text of the other device's QR code. */
  const approve = async (typed: string): Promise<void> => {
    const answer = await act.run(() => keyferry.approve(id, typed))
    if (answer === undefined) {
      // Nothing waits any more for words that did not match: the next ones come from a new exchange.
      setWords("")
      start()
      return
    }
    setReply(answer.value.reply)
    setOutcome(await answer.value.done)
  }
  const startAgain = (): void => {
    setReply(undefined)
    setOutcome(undefined)
    setWords("")
    start()
  }

  // The field that had the focus is gone: what stands in its place is read next.
  const reached = useCallback((part: HTMLDivElement | null) => part?.focus(), [])

  const name = device?.name.slice(0, 80) ?? t("device.unnamed")
  if (outcome?.ok === true) {
    return (
      <div className="page">
        <PageHead title={t("approve.done", { device: name })} lead={t("approve.done-more", { n: synced })} />
        <div>
          <Button tone="primary" onPress={() => go("/devices")}>
            {t("place.devices")}
          </Button>
        </div>
      </div>
    )
  }
  return (
    <div className="page">
      <PageHead title={t("approve.title", { device: name })} focus={false} />
      <div className="form">
        {device === undefined ? null : (
          <p>
            <bdi>
              {t(device.name === device.platform ? "approve.asked-unnamed" : "approve.asked", {
                platform: device.platform.slice(0, 80),
                when: ago(device.addedAtMs, nowMs),
                n: synced,
              })}
            </bdi>
          </p>
        )}
        <FailureNotice failure={begin.failure} actions={<Button onPress={start}>{t("button.again")}</Button>} />
        {reply === undefined ? (
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault()
              void approve(words)
            }}
          >
            <Field
              label={t("approve.words")}
              hint={t("approve.words-hint")}
              value={words}
              onChange={(typed) => {
                setForeign(false)
                setWords(typed)
              }}
              mono
              focused
              error={foreign ? t("approve.scan-foreign") : undefined}
              after={
                <ScanButton
                  name={t("field.scan")}
                  label={t("approve.scan")}
                  instead={t("approve.scan-type")}
                  onText={(text) => {
                    const isDevice = deviceOfScan(text) !== undefined
                    setForeign(!isDevice)
                    if (isDevice) void approve(text)
                  }}
                />
              }
            />
            <Notice tone="warn">{t("approve.own-screen")}</Notice>
            <FailureNotice failure={act.failure} />
            {act.failure?.code === "approval-mismatch" ? (
              <Notice tone="info" live>
                {t("approve.again", { button: t("approval.new-words") })}
              </Notice>
            ) : null}
            <div className="form-actions">
              <Button tone="primary" submit pending={act.pending} disabled={words.trim().split(/[\s-]+/).length !== 3}>
                {t("approve.do")}
              </Button>
              <Button
                onPress={() =>
                  void act
                    .run(() => keyferry.denyDevice(id))
                    .then((done) => (done === undefined ? undefined : go("/devices")))
                }
              >
                {t("devices.block")}
              </Button>
              <Link to="/devices">{t("button.cancel")}</Link>
            </div>
          </form>
        ) : (
          <div className="stack" ref={reached} tabIndex={-1}>
            {outcome === undefined ? (
              <>
                <p>{t("approve.type-there", { device: name })}</p>
                <p className="words" translate="no" role="status">
                  {reply.map((word) => (
                    <span key={word}>{word}</span>
                  ))}
                </p>
                <ProgressBar label={t("approve.waiting")} />
                <div>
                  <Link to="/devices">{t("button.cancel")}</Link>
                </div>
              </>
            ) : (
              <FailureNotice
                failure={outcome.ok ? undefined : outcome.error}
                actions={<Button onPress={startAgain}>{t("button.again")}</Button>}
              />
            )}
          </div>
        )}
      </div>
    </div>
  )
}
