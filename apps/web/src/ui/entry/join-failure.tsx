import { useLocation } from "wouter"

import type { EnrolmentState } from "@keyferry/sdk"
import type { Failure } from "@keyferry/sdk/errors"

import { t } from "../../i18n/translate.ts"
import { useStatus } from "../data/app-context.tsx"
import { Button } from "../kit/button.tsx"
import { FailureNotice } from "../kit/notice.tsx"

/** Where it began: what was asked there is asked again. */
export const beginning = (enrolment: EnrolmentState | undefined): string =>
  enrolment?.purpose === "recovery" ? "/recover" : `/sign-in?address=${encodeURIComponent(enrolment?.address ?? "")}`

/** Back to where joining began: what was asked there is asked again, because the server has forgotten it. */
export const JoinAgain = ({ tone = "primary" }: { readonly tone?: "primary" | "plain" }) => {
  const { enrolment } = useStatus()
  const [, go] = useLocation()
  return (
    <Button tone={tone} onPress={() => go(beginning(enrolment))}>
      {t("enrolment.start-again")}
    </Button>
  )
}

/** What went wrong on the way into an account; where the sign-in itself is over, with the way to a new one. */
export const JoinFailure = ({ failure }: { readonly failure: Failure | undefined }) => {
  const isOver = useStatus().enrolment !== undefined && failure?.code === "signed-out"
  return <FailureNotice failure={failure} {...(isOver ? { actions: <JoinAgain /> } : {})} />
}
