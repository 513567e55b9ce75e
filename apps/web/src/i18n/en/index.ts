import { accountLog } from "./account-log.ts"
import { devices } from "./devices.ts"
import { entry } from "./entry.ts"
import { errorActions } from "./error-actions.ts"
import { frame } from "./frame.ts"
import { items } from "./items.ts"
import { pages } from "./pages.ts"
import { settings } from "./settings.ts"
import { sync } from "./sync.ts"

/** Every English text of the app, by id. Sentences of errors and labels of fields stand in the tables they belong to. */
export const en = {
  ...frame,
  ...items,
  ...entry,
  ...sync,
  ...devices,
  ...settings,
  ...pages,
  ...accountLog,
  ...errorActions,
} as const
