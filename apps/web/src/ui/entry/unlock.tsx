import { Suspense, useEffect, useRef, useState } from "react"
import { Link } from "wouter"

import type { Failure } from "@keyferry/sdk/errors"

import { dayAndTime } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useKeyferry, useRefresh, useSnapshot, useSurroundings, useStatus } from "../data/app-context.tsx"
import { useNow } from "../data/use-now.ts"
import { Button } from "../kit/button.tsx"
import { Field } from "../kit/field.tsx"
import { later } from "../kit/later.ts"
import { Icon } from "../kit/icon.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { ProgressBar } from "../kit/pieces.tsx"
import { EntryFrame, hostOf } from "./entry-frame.tsx"

const Frozen = later(() => import("../devices/frozen.tsx").then((m) => m.Frozen))
const Thawed = later(() => import("../devices/frozen.tsx").then((m) => m.Thawed))
const StartAgain = later(() => import("./start-again.tsx").then((m) => m.StartAgain))

/** This device knows you: only the password, whose it is, and a way out. */
export const Unlock = () => {
  const keyferry = useKeyferry()
  const refresh = useRefresh()
  const status = useStatus()
  const surroundings = useSurroundings()
  const nowMs = useNow()
  const [password, setPassword] = useState("")
  const [pending, setPending] = useState(false)
  const [failure, setFailure] = useState<Failure>()
  const field = useRef<HTMLInputElement & HTMLTextAreaElement>(null)
  const { account } = status

  const unlock = async (): Promise<void> => {
    if (pending) return
    setPending(true)
    setFailure(undefined)
    const opened = await keyferry.unlock(password)
    setPending(false)
    if (opened.ok) {
      await refresh(true)
      return
    }
    setFailure(opened.error)
    field.current?.focus()
    field.current?.select()
  }

  return (
    <EntryFrame>
      <div className="unlock">
        <span className="avatar" data-large="" aria-hidden="true">
          {account === undefined ? <Icon name="lock" size={24} /> : account.address.slice(0, 1).toUpperCase()}
        </span>
        <div className="stack-tight">
          <h1>{t("unlock.title")}</h1>
          <p className="muted">
            {account === undefined ? (
              t(status.joining === true ? "unlock.joining" : "unlock.local")
            ) : (
              <bdi>{t("unlock.whose", { address: account.address, device: account.deviceName })}</bdi>
            )}
          </p>
        </div>
        {surroundings.holderClosed ? (
          <Notice tone="info" icon="lock" title={t("unlock.holder-closed")} live>
            {t("unlock.holder-closed-more")}
          </Notice>
        ) : null}
        {surroundings.online || account === undefined ? null : (
          <Notice tone="warn" icon="offline" title={t("unlock.offline")}>
            {status.graceUntilMs === undefined
              ? t("unlock.offline-more")
              : t("unlock.offline-until", { until: dayAndTime(status.graceUntilMs, nowMs) })}
          </Notice>
        )}
        <FrozenHere />
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault()
            void unlock()
          }}
        >
          {account === undefined ? null : (
            <input type="email" name="username" autoComplete="username" value={account.address} readOnly hidden />
          )}
          <Field
            label={t("field.password")}
            value={password}
            onChange={setPassword}
            secret
            focused
            autoComplete="current-password"
            name="password"
            ref={field}
          />
          <FailureNotice
            failure={failure}
            {...(failure?.code === "store-corrupt"
              ? {
                  actions: (
                    <Suspense fallback={null}>
                      <StartAgain why="lost" />
                    </Suspense>
                  ),
                }
              : {})}
          />
          <Button tone="primary" submit pending={pending}>
            {t("unlock.do")}
          </Button>
          {pending ? <ProgressBar label={t("unlock.opening")} /> : null}
        </form>
        <ul className="entry-links">
          {account === undefined ? null : (
            <li>
              <Link to="/rescue">{t("unlock.rescue")}</Link>
            </li>
          )}
          {account === undefined ? (
            <li className="muted">{t(status.joining === true ? "unlock.joining-password" : "unlock.forgot-local")}</li>
          ) : null}
          {account === undefined ? null : (
            <li className="muted">{t("unlock.sign-out-hint", { host: hostOf(account.server) })}</li>
          )}
        </ul>
      </div>
    </EntryFrame>
  )
}

/** A frozen account opens nothing, so that the way out of it must stand where it is locked. Only the server knows. */
const FrozenHere = () => {
  const keyferry = useKeyferry()
  const status = useStatus()
  // A locked device knows nothing of the account, so that its status may be the same after a change of it.
  const version = useSnapshot((snapshot) => snapshot.version)
  const [account, setAccount] = useState(status.account)
  useEffect(() => {
    if (status.account !== undefined) void keyferry.status({ fresh: true }).then((now) => setAccount(now.account))
  }, [keyferry, status, version])
  const isFrozen = account?.frozen === true
  const wasFrozen = useRef(false)
  wasFrozen.current ||= isFrozen
  if (!wasFrozen.current) return null
  return <Suspense fallback={null}>{isFrozen ? <Frozen thawAtMs={account.thawAtMs} /> : <Thawed />}</Suspense>
}
