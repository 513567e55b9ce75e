import { Link } from "wouter"

import { ago } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useDevices } from "../data/app-context.tsx"
import { useNow } from "../data/use-now.ts"
import { ButtonLink } from "../kit/button.tsx"
import { Badge, Card } from "../kit/pieces.tsx"
import { DEVICE_LOOKS, deviceStateOf, isGone } from "../model/device-state.ts"

/** The devices in short, with the way to the page that manages them. */
export const DeviceSummary = () => {
  const devices = useDevices().filter((device) => !isGone(device))
  const nowMs = useNow()
  return (
    <Card
      title={t("place.devices")}
      actions={
        <ButtonLink to="~/devices" icon="devices">
          {t("accounts.manage-devices")}
        </ButtonLink>
      }
    >
      {devices.length === 0 ? <p className="muted">{t("accounts.no-devices")}</p> : null}
      <ul className="plain-rows">
        {devices.map((device) => {
          const look = DEVICE_LOOKS[deviceStateOf(device, nowMs)]
          return (
            <li key={device.id} className="plain-row">
              <Link to="~/devices" className="strong">
                <bdi>{device.name.slice(0, 80)}</bdi>
              </Link>
              <Badge icon={look.icon} {...(look.tone === undefined ? {} : { tone: look.tone })}>
                {t(look.label, { when: device.isThis ? t("time.now") : ago(device.lastSeenMs, nowMs) })}
              </Badge>
            </li>
          )
        })}
      </ul>
    </Card>
  )
}
