import { useEffect, useState } from "react"

import { t } from "../../i18n/translate.ts"
import { setPreferences, usePreferences } from "../data/preferences.ts"
import { Button } from "../kit/button.tsx"
import { IconButton } from "../kit/icon-button.tsx"
import { Notice } from "../kit/notice.tsx"
import { CopySecret, CopyText } from "../shared/copy-button.tsx"

const HIDE_AFTER_S = 30
const LARGE_MOST = 256
/** What may scroll in its own box can be reached by keys. */
const LONG = 400

/** Hides again after 30 seconds, and when the page is out of sight. */
const useShown = (): readonly [boolean, (shown: boolean) => void] => {
  const [shown, setShown] = useState(false)
  useEffect(() => {
    if (!shown) return undefined
    const hide = (): void => setShown(false)
    const onVisibility = (): void => {
      if (document.hidden) hide()
    }
    const timer = setTimeout(hide, HIDE_AFTER_S * 1000)
    document.addEventListener("visibilitychange", onVisibility)
    return () => {
      clearTimeout(timer)
      document.removeEventListener("visibilitychange", onVisibility)
    }
  }, [shown])
  return [shown, setShown]
}

export interface SecretFieldProps {
  readonly label: string
  readonly item: string
  readonly value: string
  /** The command "show or hide" opens and closes this one. */
  readonly commanded: number
}

/** One secret: hidden, shown, or large with each character named. */
export const SecretField = ({ label, item, value, commanded }: SecretFieldProps) => {
  const [shown, setShown] = useShown()
  const [large, setLarge] = useState(false)
  const { revealWarned } = usePreferences()
  const [warn, setWarn] = useState(false)
  const [seen, setSeen] = useState(commanded)
  if (seen !== commanded) {
    setSeen(commanded)
    setShown(!shown)
  }
  useEffect(() => {
    if (!shown || revealWarned) return
    setWarn(true)
    setPreferences({ revealWarned: true })
  }, [shown, revealWarned])
  return (
    <div className="secret">
      <dt className="secret-label">{label}</dt>
      <dd className="secret-value" {...(shown ? { tabIndex: 0 } : {})}>
        {shown ? large ? <Large value={value} /> : <Tinted value={value} /> : <Dots />}
        {warn && shown ? <Notice tone="info">{t("secret.first-time")}</Notice> : null}
      </dd>
      <dd className="secret-actions">
        {shown && value.length <= LARGE_MOST ? (
          <IconButton
            icon="large"
            name={t("secret.large", { field: label })}
            pressed={large}
            onPress={() => setLarge(!large)}
          />
        ) : null}
        <Button
          tone="quiet"
          icon={shown ? "eye-off" : "eye"}
          pressed={shown}
          name={t(shown ? "secret.hide-name" : "secret.show-name", { field: label, item })}
          onPress={() => setShown(!shown)}
        >
          {t(shown ? "secret.hide" : "secret.show")}
        </Button>
        <CopySecret field={label} item={item} value={async () => value} />
      </dd>
    </div>
  )
}

const Dots = () => (
  <span className="dots">
    <span aria-hidden="true">••••••••••••••••</span>
    <span className="unseen">{t("secret.hidden")}</span>
  </span>
)

/** Digits and signs are tinted, so that `0` and `O` differ by more than the letterform. */
const Tinted = ({ value }: { readonly value: string }) => (
  <code className="secret-text">
    {value
      .slice(0, 60_000)
      .split(/(\d+|[^\p{L}\p{N}\s]+)/u)
      .map((part, at) => {
        const kind = /^\d/.test(part) ? "digit" : /^[^\p{L}\p{N}\s]/u.test(part) ? "sign" : undefined
        return kind === undefined ? (
          part
        ) : (
          // The pieces of one value never change their order.
          // oxlint-disable-next-line react/no-array-index-key
          <span key={at} className={`secret-${kind}`}>
            {part}
          </span>
        )
      })}
  </code>
)

const Large = ({ value }: { readonly value: string }) => (
  <span className="large" role="img" aria-label={t("secret.spelled", { text: [...value].join(" ") })}>
    {[...value].map((letter, at) => (
      // The characters of one value never change their order.
      // oxlint-disable-next-line react/no-array-index-key
      <span
        key={at}
        className="large-cell"
        data-kind={/\d/.test(letter) ? "digit" : /[\p{L}\s]/u.test(letter) ? undefined : "sign"}
      >
        <b>{letter === " " ? "␣" : letter}</b>
        <i>{at + 1}</i>
      </span>
    ))}
  </span>
)

/** A value that is no secret. */
export const PlainField = ({
  label,
  item,
  value,
  copies = true,
}: {
  readonly label: string
  readonly item: string
  readonly value: string
  readonly copies?: boolean
}) => (
  <div className="secret">
    <dt className="secret-label">{label}</dt>
    <dd className="secret-value" {...(value.length > LONG ? { tabIndex: 0 } : {})}>
      <bdi className={copies ? "plain-text" : undefined}>{value.slice(0, 60_000)}</bdi>
    </dd>
    {copies ? (
      <dd className="secret-actions">
        <CopyText text={value} name={t("copy.name", { field: label, item })} />
      </dd>
    ) : null}
  </div>
)
