import { useState } from "react"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useStatus } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useAsk } from "../data/use-ask.ts"
import { useOpen } from "../data/use-step.ts"
import { Button } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { AddressField, isAddress } from "../shared/address-field.tsx"

/**
 * The account's email address. It changes when the link in the new mailbox is answered, and the old one hears of it, so
 * nobody loses the account to a typing mistake.
 */
export const AddressSetting = () => {
  const keyferry = useKeyferry()
  const { account } = useStatus()
  const known = useAsk(() => keyferry.address(), "address")
  const act = useAct()
  const [asking, setAsking] = useOpen("address")
  const [typed, setTyped] = useState("")
  const [sentTo, setSentTo] = useState<string>()
  if (account === undefined) return null
  const wanted = typed.trim()
  const waits = sentTo === undefined ? known.value?.waiting === true : sentTo !== account.address
  const close = (): void => {
    setAsking(false)
    act.clear()
  }
  return (
    <>
      {waits ? (
        <Notice tone="info" icon="mail" title={t("address.waiting")} live>
          {t("address.waiting-more", { to: sentTo ?? t("address.new-mailbox"), from: account.address })}
        </Notice>
      ) : null}
      <div>
        <Button
          onPress={() => {
            setTyped("")
            setAsking(true)
          }}
        >
          {t("address.change")}
        </Button>
      </div>
      <Dialog title={t("address.title")} open={asking} onClose={close} busy={act.pending}>
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault()
            void act
              .run(() => keyferry.changeAddress(wanted))
              .then((done) => {
                if (done === undefined) return
                setSentTo(wanted)
                known.again()
                close()
              })
          }}
        >
          <p>{t("address.body", { from: account.address })}</p>
          <AddressField label={t("address.new")} value={typed} onChange={setTyped} autoComplete="email" focused />
          <FailureNotice failure={act.failure} />
          <DialogActions>
            <Button tone="primary" submit pending={act.pending} disabled={!isAddress(wanted)}>
              {t("address.do")}
            </Button>
            <Button onPress={close}>{t("button.cancel")}</Button>
          </DialogActions>
        </form>
      </Dialog>
    </>
  )
}
