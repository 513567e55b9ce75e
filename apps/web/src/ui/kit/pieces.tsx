import { type CSSProperties, type ReactNode, useEffect, useId, useRef } from "react"

import { t } from "../../i18n/translate.ts"
import { Icon, type IconName } from "./icon.tsx"

/** A page's heading, which takes the focus when the page is reached, so that a reader hears where it is. */
/** A page begins at its heading, unless it has put the focus on its first field already. */
export const focusIfLost = (heading: HTMLElement | null): void => {
  const active = document.activeElement
  if (active === null || active === document.body) heading?.focus({ preventScroll: true })
}

export const PageHead = ({
  title,
  lead,
  actions,
  focus = true,
  after,
}: {
  readonly title: ReactNode
  readonly lead?: ReactNode
  readonly actions?: ReactNode
  readonly focus?: boolean
  /** What changes when a part of the page goes, which may have had the focus. */
  readonly after?: unknown
}) => {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    if (focus) focusIfLost(heading.current)
  }, [focus, after])
  return (
    <header className="page-head">
      <div className="stack-tight">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {lead === undefined ? null : <p className="muted reading">{lead}</p>}
      </div>
      {actions === undefined ? null : <div className="page-actions">{actions}</div>}
    </header>
  )
}

export const Card = ({
  title,
  note,
  children,
  actions,
}: {
  readonly title?: ReactNode
  readonly note?: ReactNode
  readonly children: ReactNode
  readonly actions?: ReactNode
}) => {
  const id = useId()
  return (
    <section className="card" {...(title === undefined ? {} : { "aria-labelledby": id })}>
      <div className="card-body">
        {title === undefined ? null : (
          <div className="line apart">
            <h2 id={id}>{title}</h2>
            {note === undefined ? null : <span className="muted">{note}</span>}
          </div>
        )}
        {children}
        {actions === undefined ? null : <div className="line">{actions}</div>}
      </div>
    </section>
  )
}

export const Badge = ({
  icon,
  tone,
  children,
}: {
  readonly icon?: IconName
  readonly tone?: "ok" | "warn" | "danger" | "info" | "local" | "accent"
  readonly children: ReactNode
}) => (
  <span className="badge" data-tone={tone}>
    {icon === undefined ? null : <Icon name={icon} size={16} />}
    <span>{children}</span>
  </span>
)

/** `total` undefined: work of unknown length. */
export const ProgressBar = ({
  label,
  done,
  total,
  hideLabel = false,
}: {
  readonly label: string
  readonly done?: number
  readonly total?: number | undefined
  readonly hideLabel?: boolean
}) => {
  const known = total !== undefined && total > 0
  const text = known ? t("progress.of", { done: done ?? 0, total }) : t("progress.working")
  return (
    <div className="progress">
      {hideLabel ? null : (
        <div className="line apart">
          <span>{label}</span>
          {known ? <span className="muted numbers">{text}</span> : null}
        </div>
      )}
      <div
        className="progress-track"
        role="progressbar"
        aria-label={label}
        aria-valuetext={text}
        {...(known ? { "aria-valuenow": done ?? 0, "aria-valuemin": 0, "aria-valuemax": total } : {})}
      >
        <div
          className="progress-fill"
          data-unknown={known ? undefined : ""}
          style={{ "--part": known ? (done ?? 0) / total : 1 } as CSSProperties}
        />
      </div>
    </div>
  )
}

export const Empty = ({ children, actions }: { readonly children: ReactNode; readonly actions?: ReactNode }) => (
  <div className="empty">
    <p className="reading">{children}</p>
    {actions === undefined ? null : <div className="line">{actions}</div>}
  </div>
)

/** Runs out once round in the time given; the seconds stand beside it for those who want no motion. */
export const TimerRing = ({ seconds }: { readonly seconds: number }) => (
  <svg className="ring" width="16" height="16" viewBox="0 0 36 36" aria-hidden="true">
    <circle cx="18" cy="18" r="15.9" pathLength="100" />
    <circle cx="18" cy="18" r="15.9" pathLength="100" style={{ animationDuration: `${seconds}s` }} />
  </svg>
)

export const Pairs = ({ rows }: { readonly rows: readonly (readonly [ReactNode, ReactNode] | undefined)[] }) => (
  <dl className="pairs">
    {rows
      .filter((row) => row !== undefined)
      .map(([name, value], at) => (
        // The rows of one list never change their order.
        // oxlint-disable-next-line react/no-array-index-key
        <div key={at} className="pair">
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
  </dl>
)
