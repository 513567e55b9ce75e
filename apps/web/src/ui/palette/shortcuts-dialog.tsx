import { useEffect, useState } from "react"
import { useLocation } from "wouter"

import { t } from "../../i18n/translate.ts"
import { getPreferences, setPreferences, usePreferences } from "../data/preferences.ts"
import { Button, LinkButton } from "../kit/button.tsx"
import { Switch } from "../kit/choice.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { type CommandId, keyOf, specsOf } from "./commands.ts"

export const Keys = ({ keys }: { readonly keys: string }) => (
  <span className="keys">
    {keys.split(" ").map((key) => (
      <kbd key={key}>{key === " " ? t("shortcuts.space") : key}</kbd>
    ))}
  </span>
)

export const ShortcutsDialog = ({ onClose }: { readonly onClose: () => void }) => {
  const [, go] = useLocation()
  return (
    <Dialog title={t("shortcuts.title")} open onClose={onClose} wide>
      <ShortcutList />
      <dl className="shortcut-list">
        <Fixed keys="Ctrl K" text={t("shortcuts.palette")} />
        <Fixed keys="Ctrl Shift L" text={t("command.lock")} />
        <Fixed keys="Ctrl Enter" text={t("shortcuts.submit")} />
        <Fixed keys="Esc" text={t("shortcuts.escape")} />
      </dl>
      <DialogActions>
        <Button onPress={onClose} focused>
          {t("button.close")}
        </Button>
        <Button
          tone="quiet"
          onPress={() => {
            onClose()
            go("/settings/keyboard")
          }}
        >
          {t("shortcuts.change")}
        </Button>
      </DialogActions>
    </Dialog>
  )
}

const Fixed = ({ keys, text }: { readonly keys: string; readonly text: string }) => (
  <div className="shortcut">
    <dt>{text}</dt>
    <dd>
      <Keys keys={keys} />
    </dd>
  </div>
)

const ShortcutList = () => (
  <dl className="shortcut-list">
    {specsOf().flatMap((spec) => {
      const key = keyOf(spec)
      return key === undefined ? [] : [<Fixed key={spec.id} keys={key} text={t(spec.label)} />]
    })}
  </dl>
)

/** Settings › Keyboard: off, or another key for each (WCAG 2.1.4). */
export const KeyboardSettings = () => {
  const { singleKeys, keys } = usePreferences()
  const [listening, setListening] = useState<CommandId>()
  useEffect(() => {
    if (listening === undefined) return undefined
    const onKeyDown = (event: KeyboardEvent): void => {
      if (["Shift", "Control", "Alt", "Meta", "Tab"].includes(event.key)) return
      event.preventDefault()
      event.stopPropagation()
      if (event.key !== "Escape") {
        const chosen = event.key === "Backspace" || event.key === "Delete" ? "" : event.key
        setPreferences({ keys: { ...getPreferences().keys, [listening]: chosen } })
      }
      setListening(undefined)
    }
    document.addEventListener("keydown", onKeyDown, { capture: true })
    return () => document.removeEventListener("keydown", onKeyDown, { capture: true })
  }, [listening])
  return (
    <div className="stack">
      <Switch on={singleKeys} onChange={(on) => setPreferences({ singleKeys: on })} hint={t("keyboard.single-hint")}>
        {t("keyboard.single")}
      </Switch>
      {singleKeys ? (
        <ul className="key-rows">
          {specsOf().map((spec) => (
            <li key={spec.id} className="line apart">
              <span>{t(spec.label)}</span>
              <span className="line">
                {listening === spec.id ? (
                  <span className="muted" role="status">
                    {t("keyboard.press")}
                  </span>
                ) : (
                  <Keys keys={keyOf(spec) ?? "–"} />
                )}
                <Button
                  tone="quiet"
                  name={t("keyboard.change-name", { command: t(spec.label) })}
                  onPress={() => setListening(spec.id)}
                >
                  {t("keyboard.change")}
                </Button>
              </span>
            </li>
          ))}
        </ul>
      ) : null}
      {Object.keys(keys).length > 0 ? (
        <div>
          <LinkButton onPress={() => setPreferences({ keys: {} })}>{t("keyboard.reset")}</LinkButton>
        </div>
      ) : null}
    </div>
  )
}
