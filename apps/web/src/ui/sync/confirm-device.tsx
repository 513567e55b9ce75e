import { useEffect, useRef, useState } from "react"

import type { EnrolmentState } from "@keyferry/sdk"
import type { Failure } from "@keyferry/sdk/errors"

import { countdown } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button } from "../kit/button.tsx"
import { JoinFailure } from "../entry/join-failure.tsx"
import { Notice } from "../kit/notice.tsx"

export interface Mailed {
  readonly mail: "queued" | "off" | "failed"
  readonly mailedTo: string
  readonly code: string
}

const ASK_EVERY_MS = 2_000

/** Asks how the confirmation stands until it moved on; a server that does not answer is asked more slowly. */
export const usePoll = (
  ask: () => Promise<{ readonly done: boolean; readonly failure?: Failure }>,
  on: boolean,
): Failure | undefined => {
  const [failure, setFailure] = useState<Failure>()
  const asking = useRef(ask)
  asking.current = ask
  useEffect(() => {
    if (!on) return undefined
    let ended = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const step = async (): Promise<void> => {
      const answer = await asking.current()
      if (ended) return
      setFailure(answer.failure)
      const waitS = answer.failure?.retryAfterS ?? (answer.failure === undefined ? 0 : 5)
      if (!answer.done) timer = setTimeout(() => void step(), Math.max(ASK_EVERY_MS, waitS * 1000))
    }
    timer = setTimeout(() => void step(), ASK_EVERY_MS)
    return () => {
      ended = true
      clearTimeout(timer)
    }
  }, [on])
  return failure
}

/** The mail with its link, asked for by a person; the six digits stand here and nowhere else. */
export const ConfirmByMail = ({
  state,
  address,
  onMailed,
  waiting,
  mailNow,
}: {
  /** What became of the mail since, as far as the server told. */
  readonly mailNow?: EnrolmentState["mail"] | undefined
  readonly state: Partial<Pick<EnrolmentState, "mail" | "mailedTo" | "code">>
  readonly address: string
  readonly onMailed?: (mailed: Mailed) => void
  readonly waiting: boolean
}) => {
  const keyferry = useKeyferry()
  const act = useAct()
  const [mailed, setMailed] = useState<Mailed | undefined>(
    state.mail !== undefined && state.code !== undefined
      ? { mail: state.mail, code: state.code, mailedTo: state.mailedTo ?? address }
      : undefined,
  )
  const [again, setAgain] = useState(0)
  const left = useCountdown(again)

  const ask = async (): Promise<void> => {
    const answer = await act.run(() => keyferry.requestMail())
    if (answer === undefined) return
    const { nextInS, ...rest } = answer.value
    setMailed(rest)
    setAgain(Date.now() + nextInS * 1000)
    onMailed?.(rest)
  }

  if (mailed === undefined) {
    return (
      <div className="stack-tight">
        <p>{t("confirm.mail-what", { address })}</p>
        <JoinFailure failure={act.failure} />
        <div>
          <Button tone="primary" icon="mail" pending={act.pending} onPress={() => void ask()}>
            {t("confirm.mail")}
          </Button>
        </div>
      </div>
    )
  }
  const mail = mailNow ?? mailed.mail
  return (
    <div className="stack">
      {mail === "queued" ? (
        <p>
          <bdi>{t("confirm.mailed", { address: mailed.mailedTo })}</bdi>
        </p>
      ) : (
        <Notice tone="warn" title={t(mail === "off" ? "confirm.mail-off" : "confirm.mail-failed")}>
          {t("confirm.operator")} <code>keyferry device confirm {mailed.code}</code>
        </Notice>
      )}
      <div className="stack-tight">
        <span className="muted">{t("confirm.code")}</span>
        <span className="big-code">
          {mailed.code.slice(0, 3)} {mailed.code.slice(3)}
        </span>
      </div>
      {waiting ? (
        <p className="muted" role="status">
          <span className="pulse" aria-hidden="true" />
          {t("confirm.waiting")}
        </p>
      ) : null}
      <JoinFailure failure={act.failure} />
      <p className="muted">
        {t("confirm.nothing-yet")}{" "}
        {left > 0 ? (
          <span aria-hidden="true" className="numbers">
            {t("confirm.again-in", { time: countdown(left) })}
          </span>
        ) : null}
      </p>
      <div>
        <Button pending={act.pending} disabled={left > 0} onPress={() => void ask()}>
          {t("confirm.again")}
        </Button>
      </div>
      <span className="unseen" role="status">
        {again === 0 ? "" : left > 0 ? t("confirm.again-later") : t("confirm.again-now")}
      </span>
    </div>
  )
}

const useCountdown = (untilMs: number): number => {
  const [nowMs, setNowMs] = useState(() => Date.now())
  useEffect(() => {
    if (untilMs === 0) return undefined
    setNowMs(Date.now())
    const timer = setInterval(() => setNowMs(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [untilMs])
  return Math.max(0, Math.ceil((untilMs - nowMs) / 1000))
}
