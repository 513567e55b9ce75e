import { type ReactNode, useEffect, useRef } from "react"

import { type Failure, errors } from "@keyferry/sdk/errors"

import { fromTable, t } from "../../i18n/translate.ts"
import { actionFor } from "../model/error-actions.ts"
import { Icon, type IconName } from "./icon.tsx"

export type NoticeTone = "ok" | "warn" | "danger" | "info" | "local" | "accent"

const ICONS: Readonly<Record<NoticeTone, IconName>> = {
  ok: "check",
  warn: "alert",
  danger: "slash",
  info: "info",
  local: "browser",
  accent: "info",
}

export const Notice = ({
  tone,
  title,
  children,
  actions,
  icon,
  live = false,
}: {
  readonly tone: NoticeTone
  readonly title?: ReactNode
  readonly children?: ReactNode
  readonly actions?: ReactNode
  readonly icon?: IconName
  readonly live?: boolean
}) => (
  <div className="notice" data-tone={tone} {...(live ? { role: "status" } : {})}>
    <Icon name={icon ?? ICONS[tone]} />
    <div className="notice-words">
      {title === undefined ? null : <strong>{title}</strong>}
      {children === undefined ? null : <div>{children}</div>}
      {actions === undefined ? null : <div className="notice-actions">{actions}</div>}
    </div>
  </div>
)

/** What happened, what it means for the keys, what to do, and the code: all from the one table of errors. */
export const FailureNotice = ({
  failure,
  actions,
}: {
  readonly failure: Failure | undefined
  readonly actions?: ReactNode
}) => {
  const place = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (failure !== undefined) place.current?.scrollIntoView({ block: "nearest" })
  }, [failure])
  const entry = failure === undefined ? undefined : errors[failure.code]
  return (
    <div role="alert" ref={place}>
      {failure === undefined || entry === undefined ? null : (
        <div className="notice" data-tone="danger">
          <Icon name="alert" />
          <div className="notice-words">
            <strong>{fromTable(entry.sentence)}</strong>
            {failure.detail === undefined ? null : (
              <span>
                <bdi>{failure.detail}</bdi>
              </span>
            )}
            {failure.retryAfterS === undefined ? null : (
              <span>{t("failure.wait", { n: Math.ceil(failure.retryAfterS) })}</span>
            )}
            <span>{fromTable(entry.keys)}</span>
            <span>{actionFor(failure.code)}</span>
            {actions === undefined ? null : <div className="notice-actions">{actions}</div>}
            <span className="failure-code">
              {t("failure.code")} <code>{failure.code}</code>
            </span>
          </div>
        </div>
      )}
    </div>
  )
}
