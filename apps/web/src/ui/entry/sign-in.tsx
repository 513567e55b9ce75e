import { useState } from "react"
import { Link, useLocation, useSearch } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useStatus, useSurroundings } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button } from "../kit/button.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { PageHead, ProgressBar } from "../kit/pieces.tsx"
import { AddressField, isAddress } from "../shared/address-field.tsx"
import { suggestedDeviceName } from "../shared/device-name.ts"
import { EntryFrame } from "./entry-frame.tsx"

/** This browser does not know you yet: address and password of the account; keys come later. */
export const SignIn = ({ inside = false }: { readonly inside?: boolean }) => {
  const keyferry = useKeyferry()
  const status = useStatus()
  const surroundings = useSurroundings()
  const given = new URLSearchParams(useSearch())
  const [, go] = useLocation()
  const act = useAct()
  const [address, setAddress] = useState(given.get("address") ?? "")
  const [password, setPassword] = useState("")
  const [deviceName, setDeviceName] = useState(suggestedDeviceName())

  const form = (
    <>
      <PageHead title={t("sign-in.title")} lead={t("sign-in.lead")} focus={false} />
      {inside ? <Notice tone="info">{t("sign-in.keeps-local", { n: status.sync.localOnly })}</Notice> : null}
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          void act
            .run(() =>
              keyferry.loginStart({
                server: surroundings.origin,
                address: address.trim(),
                password,
                deviceName: deviceName.trim(),
              }),
            )
            // The steps of joining stand there; here it begins, also anew.
            .then((done) => (done === undefined ? undefined : go("/", { replace: true })))
        }}
      >
        <AddressField value={address} onChange={setAddress} focused />
        <Field
          label={t("field.password")}
          value={password}
          onChange={setPassword}
          secret
          autoComplete="current-password"
          name="password"
          required
        />
        <Field
          label={t("field.device-name")}
          hint={t("field.device-name-hint")}
          value={deviceName}
          onChange={setDeviceName}
          maxLength={64}
        />
        <FailureNotice failure={act.failure} />
        <div className="form-actions">
          <Button
            tone="primary"
            submit
            pending={act.pending}
            disabled={!isAddress(address) || password === "" || deviceName.trim() === ""}
          >
            {t("sign-in.do")}
          </Button>
        </div>
        {act.pending ? <ProgressBar label={t("sign-in.working")} /> : null}
      </form>
      <ul className="entry-links">
        <li>
          <Link to="/recover">{t("sign-in.lost-password")}</Link>
        </li>
        <li>
          <Link to="/sign-up">{t("sign-in.no-account")}</Link>
        </li>
      </ul>
    </>
  )
  return inside ? <div className="page">{form}</div> : <EntryFrame>{form}</EntryFrame>
}
