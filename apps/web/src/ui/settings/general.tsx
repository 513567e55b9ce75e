import { useState } from "react"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useStatus, useSurroundings } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button, ButtonLink } from "../kit/button.tsx"
import { Field } from "../kit/field.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import { Badge, Card, Pairs } from "../kit/pieces.tsx"
import { AddressSetting } from "./address.tsx"
import { InstallAsApp } from "./install.tsx"
import { SyncSwitch } from "./sync-switch.tsx"

export const GeneralSettings = () => {
  const status = useStatus()
  const surroundings = useSurroundings()
  const keyferry = useKeyferry()
  return (
    <>
      <Card title={t("general.sync")}>
        <SyncSwitch />
        <p className="line">
          <ButtonLink to="~/settings/account/synchronization" tone="quiet">
            {t("general.what-syncs")}
          </ButtonLink>
          <ButtonLink to="~/security" tone="quiet">
            {t("general.how-secured")}
          </ButtonLink>
        </p>
      </Card>
      {status.account === undefined ? (
        <Card title={t("general.account")}>
          <p>{t("general.no-account")}</p>
          <p className="line">
            <ButtonLink to="~/sign-up" tone="primary">
              {t("turn-on.sign-up")}
            </ButtonLink>
            <ButtonLink to="~/sign-in">{t("welcome.sign-in")}</ButtonLink>
          </p>
        </Card>
      ) : (
        <>
          <Card title={t("general.account")}>
            <Pairs
              rows={[
                [t("field.address"), <bdi key="a">{status.account.address}</bdi>],
                [t("general.server"), <bdi key="s">{status.account.server}</bdi>],
                [t("kit.digits"), <code key="d">{status.account.digits}</code>],
                [t("kit.words"), <code key="w">{status.account.serverWords}</code>],
              ]}
            />
            <AddressSetting />
          </Card>
          <DeviceName key={status.account.deviceName} name={status.account.deviceName} id={status.account.deviceId} />
        </>
      )}
      <Card title={t("general.storage")}>
        <Badge
          icon={surroundings.storage === "kept" ? "check" : "alert"}
          tone={surroundings.storage === "kept" ? "ok" : "warn"}
        >
          {t(`general.storage-${surroundings.storage}`)}
        </Badge>
        <InstallAsApp />
        {surroundings.storage === "kept" ? null : (
          <p>
            <Button onPress={() => void keyferry.keepStorage()}>{t("banner.storage-ask")}</Button>
          </p>
        )}
      </Card>
    </>
  )
}

const DeviceName = ({ name: before, id }: { readonly name: string; readonly id: string }) => {
  const keyferry = useKeyferry()
  const act = useAct()
  const [name, setName] = useState(before)
  return (
    <Card title={t("general.this-browser")}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          void act.run(() => keyferry.renameDevice(id, name.trim()))
        }}
      >
        <Field label={t("field.device-name")} value={name} onChange={setName} maxLength={64} />
        <FailureNotice failure={act.failure} />
        <div>
          <Button submit pending={act.pending} disabled={name.trim() === "" || name.trim() === before}>
            {t("device.rename")}
          </Button>
        </div>
      </form>
    </Card>
  )
}
