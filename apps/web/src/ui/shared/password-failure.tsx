import type { Failure } from "@keyferry/sdk/errors"

import { t } from "../../i18n/translate.ts"
import { FailureNotice, Notice } from "../kit/notice.tsx"

/** Where the account's password alone was asked for, its address is not what was wrong. */
export const PasswordFailure = ({ failure }: { readonly failure: Failure | undefined }) =>
  failure?.code === "wrong-credentials" ? (
    <div role="alert">
      <Notice tone="danger" icon="alert" title={t("password.not-account")}>
        {t("password.not-account-more")}
      </Notice>
    </div>
  ) : (
    <FailureNotice failure={failure} />
  )
