import { accountLog } from "./account-log.ts"
import { devices } from "./devices.ts"
import { frame } from "./frame.ts"
import { items } from "./items.ts"
import { joining } from "./joining.ts"
import { pages } from "./pages.ts"
import { settings } from "./settings.ts"
import { sync } from "./sync.ts"

/** What every other page says; it comes with the first of them. */
export const inside = {
  ...frame,
  ...joining,
  ...items,
  ...sync,
  ...devices,
  ...settings,
  ...pages,
  ...accountLog,
} as const
