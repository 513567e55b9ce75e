import { useMemo } from "react"
import { MenuTrigger, Popover } from "react-aria-components"
import { Link, useLocation } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useItems, useSnapshot, useStatusPart } from "../data/app-context.tsx"
import { Button } from "../kit/button.tsx"
import { Icon, type IconName } from "../kit/icon.tsx"
import { MenuList } from "../kit/menu.tsx"
import { isWaitingForApproval } from "../model/device-state.ts"
import { KIND_LOOKS, KIND_ORDER } from "../model/kinds.ts"

const Place = ({
  to,
  icon,
  children,
  count,
  tone,
}: {
  readonly to: string
  readonly icon: IconName
  readonly children: string
  readonly count?: number | undefined
  readonly tone?: "warn"
}) => {
  const [location] = useLocation()
  // What needs a look is a way to another place of this list, never a place of its own.
  const here = tone === undefined && (to === "/" ? location === "/" : location.startsWith(to))
  return (
    <li>
      <Link to={to} className="place" data-tone={tone} {...(here ? { "aria-current": "page" } : {})} title={children}>
        <Icon name={icon} />
        <span className="place-name">{children}</span>
        {count === undefined ? null : <span className="place-count numbers">{count}</span>}
      </Link>
    </li>
  )
}

/** What waits for a person: conflicts, devices, values to replace, a kit that nobody checked. Shown only when there is something. */
export const useNeedsLook = (): { readonly count: number; readonly to: string } => {
  const conflicts = useStatusPart(({ sync }) => sync.conflicts)
  const kit = useStatusPart(({ account }) => account?.kitUnchecked === true)
  const devices = useSnapshot((snapshot) => snapshot.devices)
  const rotation = useSnapshot((snapshot) => snapshot.rotation)
  const waiting = (devices ?? []).filter(isWaitingForApproval).length
  const replace = rotation.filter((entry) => entry.doneAtMs === undefined).length
  const to =
    waiting > 0 ? "/devices" : conflicts > 0 ? "/conflicts" : replace > 0 || !kit ? "/replace" : "/settings/sign-in"
  return { count: conflicts + waiting + (replace > 0 ? 1 : 0) + (kit ? 1 : 0), to }
}

export const Rail = ({ onHelp }: { readonly onHelp: () => void }) => {
  const items = useItems()
  const isListed = useSnapshot((snapshot) => snapshot.items !== undefined)
  const devices = useSnapshot((snapshot) => snapshot.devices)
  const address = useStatusPart(({ account }) => account?.address)
  const look = useNeedsLook()
  const counts = useMemo(() => {
    const byKind = new Map<string, number>()
    for (const item of items) byKind.set(item.kind, (byKind.get(item.kind) ?? 0) + 1)
    return byKind
  }, [items])
  return (
    <nav className="rail" aria-label={t("frame.places")}>
      <ul>
        <Place to="/" icon="key" count={isListed ? items.length : undefined}>
          {t("place.credentials")}
        </Place>
        {KIND_ORDER.filter((kind) => (counts.get(kind) ?? 0) > 0).map((kind) => (
          <Place key={kind} to={`/kind/${kind}`} icon={KIND_LOOKS[kind].icon} count={counts.get(kind)}>
            {t(KIND_LOOKS[kind].plural)}
          </Place>
        ))}
      </ul>
      <ul>
        <Place
          to="/devices"
          icon="devices"
          count={devices?.filter((device) => device.isThis || device.state === "active").length}
        >
          {t("place.devices")}
        </Place>
        <Place to="/activity" icon="list">
          {t("place.activity")}
        </Place>
        <Place to="/bin" icon="bin">
          {t("place.bin")}
        </Place>
        <Place to="/settings" icon="settings">
          {t("place.settings")}
        </Place>
      </ul>
      {look.count > 0 ? (
        <ul>
          <Place to={look.to} icon="alert" tone="warn" count={look.count}>
            {t("place.needs-look")}
          </Place>
        </ul>
      ) : null}
      <div className="rail-foot">
        <span className="rail-who">
          <span className="avatar" aria-hidden="true">
            {(address ?? "·").slice(0, 1).toUpperCase()}
          </span>
          <span className="rail-address">
            <bdi>{address ?? t("frame.no-account")}</bdi>
          </span>
        </span>
        <Button tone="quiet" icon="keyboard" onPress={onHelp}>
          {t("frame.shortcuts")}
        </Button>
      </div>
    </nav>
  )
}

export const BottomBar = ({ onLock, onHelp }: { readonly onLock: () => void; readonly onHelp: () => void }) => {
  const [, go] = useLocation()
  const look = useNeedsLook()
  return (
    <nav className="bottom-bar" aria-label={t("frame.places")}>
      <ul>
        <Place to="/" icon="key">
          {t("place.credentials")}
        </Place>
        <Place to="/devices" icon="devices">
          {t("place.devices")}
        </Place>
        <Place to="/add" icon="add">
          {t("place.add")}
        </Place>
        <li>
          <MenuTrigger>
            <Button tone="quiet" icon={look.count > 0 ? "alert" : "menu"}>
              {t("place.more")}
            </Button>
            <Popover className="popover" placement="top end">
              <MenuList
                name={t("place.more")}
                entries={[
                  ...(look.count > 0
                    ? [
                        {
                          id: "look",
                          icon: "alert" as const,
                          text: t("place.needs-look"),
                          label: t("place.needs-look"),
                          onAction: () => go(look.to),
                        },
                      ]
                    : []),
                  {
                    id: "activity",
                    icon: "list",
                    text: t("place.activity"),
                    label: t("place.activity"),
                    onAction: () => go("/activity"),
                  },
                  { id: "bin", icon: "bin", text: t("place.bin"), label: t("place.bin"), onAction: () => go("/bin") },
                  {
                    id: "settings",
                    icon: "settings",
                    text: t("place.settings"),
                    label: t("place.settings"),
                    onAction: () => go("/settings"),
                  },
                  {
                    id: "shortcuts",
                    icon: "keyboard",
                    text: t("frame.shortcuts"),
                    label: t("frame.shortcuts"),
                    onAction: onHelp,
                  },
                  {
                    id: "lock",
                    icon: "lock",
                    separated: true,
                    text: t("frame.lock"),
                    label: t("frame.lock"),
                    onAction: onLock,
                  },
                ]}
              />
            </Popover>
          </MenuTrigger>
        </li>
      </ul>
    </nav>
  )
}
