import type { ItemSummary } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { Button } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { NameList } from "../shared/name-list.tsx"
import { shortened } from "../model/shortened.ts"

export const RemoveDialog = ({
  items,
  elsewhere,
  onClose,
  onRemove,
}: {
  readonly items: readonly ItemSummary[]
  /** How many other devices hold the synced ones. */
  readonly elsewhere: number
  readonly onClose: () => void
  readonly onRemove: () => Promise<void>
}) => {
  const synced = items.filter((item) => item.policy === "synced").length
  const [first] = items
  return (
    <Dialog
      open
      onClose={onClose}
      title={
        items.length === 1 && first !== undefined
          ? t("remove.title-one", { name: shortened(first.title) })
          : t("remove.title", { n: items.length })
      }
    >
      {items.length > 1 ? <NameList items={items} /> : null}
      <p>{t("remove.what", { days: 30 })}</p>
      {synced > 0 && elsewhere > 0 ? <p>{t("remove.elsewhere", { n: elsewhere })}</p> : null}
      <p className="muted">{t("remove.not-at-source")}</p>
      <DialogActions>
        <Button tone="danger" onPress={() => void onRemove()}>
          {t("remove.do", { n: items.length })}
        </Button>
        <Button onPress={onClose} focused>
          {t("button.cancel")}
        </Button>
      </DialogActions>
    </Dialog>
  )
}
