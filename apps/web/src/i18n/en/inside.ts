import { accountLog } from "./account-log.ts"
import { devices } from "./devices.ts"
import { items } from "./items.ts"
import { pages } from "./pages.ts"
import { settings } from "./settings.ts"
import { sync } from "./sync.ts"

/** What every other page says; it comes with the first of them. */
export const inside = { ...items, ...sync, ...devices, ...settings, ...pages, ...accountLog } as const
