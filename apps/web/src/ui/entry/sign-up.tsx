import { useState } from "react"
import { Link, useLocation, useSearch } from "wouter"

import type { Kit } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useStatus, useSurroundings } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button, ButtonLink } from "../kit/button.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { PageHead, ProgressBar } from "../kit/pieces.tsx"
import { AddressField, isAddress } from "../shared/address-field.tsx"
import { suggestedDeviceName } from "../shared/device-name.ts"
import { isPasswordReady, NewPassword } from "../shared/new-password.tsx"
import { EntryFrame } from "./entry-frame.tsx"
import { KitSheet } from "../kit-sheet/kit-sheet.tsx"
import { keepKit, takeKit } from "../kit-sheet/unsaved-kit.ts"

/** An invitation, an address and a password; then the kit, once. */
export const SignUp = ({ inside = false }: { readonly inside?: boolean }) => {
  const keyferry = useKeyferry()
  const status = useStatus()
  const surroundings = useSurroundings()
  const [, go] = useLocation()
  const search = useSearch()
  const act = useAct()
  const [link, setLink] = useState(() => linkFrom(search, surroundings.origin))
  const [address, setAddress] = useState(new URLSearchParams(search).get("address") ?? "")
  const [password, setPassword] = useState("")
  const [kit, setKit] = useState<Kit | undefined>(() => takeKit())

  if (kit !== undefined) {
    const sheet = <KitSheet kit={kit} onDone={() => go("/turn-on-sync")} />
    return inside ? <div className="page">{sheet}</div> : <EntryFrame wide>{sheet}</EntryFrame>
  }

  // The page of the kit was reloaded: the account is there, and the kit is gone for good.
  if (inside && status.account !== undefined)
    return (
      <div className="page">
        <PageHead title={t("sign-up.done")} lead={t("sign-up.done-lead")} />
        <div className="form-actions">
          <ButtonLink tone="primary" to="/turn-on-sync">
            {t("command.turn-on-sync")}
          </ButtonLink>
        </div>
      </div>
    )

  const signUp = async (): Promise<void> => {
    const made = await act.run(async () => {
      const answer = await keyferry.signUp({
        link: link.trim(),
        address: address.trim(),
        password,
        deviceName: suggestedDeviceName(),
      })
      // The page may be drawn anew when the account appears; the kit must outlive that.
      if (answer.ok) keepKit(answer.value)
      return answer
    })
    if (made !== undefined) setKit(made.value)
  }

  const form = (
    <>
      <PageHead title={t("sign-up.title")} lead={t(inside ? "sign-up.lead-inside" : "sign-up.lead")} focus={false} />
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          if (isAddress(address) && link.trim() !== "" && password !== "") void signUp()
        }}
      >
        <Field
          label={t("sign-up.link")}
          hint={t("sign-up.link-hint")}
          value={link}
          onChange={setLink}
          mode="url"
          required
          focused={link === ""}
        />
        <AddressField value={address} onChange={setAddress} focused={link !== ""} />
        {inside ? (
          <Field
            label={t("sign-up.same-password")}
            hint={t("sign-up.same-password-hint")}
            value={password}
            onChange={setPassword}
            secret
            autoComplete="current-password"
            name="password"
            required
          />
        ) : (
          <NewPassword label={t("field.password")} value={password} onChange={setPassword} />
        )}
        <Notice tone="info">{t("sign-up.no-reset", { host: new URL(surroundings.origin).host })}</Notice>
        <FailureNotice failure={act.failure} />
        <div className="form-actions">
          <Button
            tone="primary"
            submit
            pending={act.pending}
            disabled={
              !isAddress(address) || link.trim() === "" || (inside ? password === "" : !isPasswordReady(password))
            }
          >
            {t("sign-up.do")}
          </Button>
        </div>
        {act.pending ? <ProgressBar label={t("sign-up.working")} /> : null}
      </form>
      <ul className="entry-links">
        <li>
          <Link to="/sign-in">{t("sign-up.have-account")}</Link>
        </li>
      </ul>
    </>
  )
  return inside ? <div className="page">{form}</div> : <EntryFrame>{form}</EntryFrame>
}

/** The invitation's token stands behind the `#` of its page and never reaches a server by itself. */
const linkFrom = (search: string, origin: string): string => {
  const token = location.hash.slice(1)
  if (token !== "") return `${origin}/setup#${token}`
  return new URLSearchParams(search).get("link") ?? ""
}
