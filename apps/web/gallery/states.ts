import { CREDENTIAL_STATES } from "./states-credentials.ts"
import { DEVICE_GALLERY_STATES } from "./states-devices.ts"
import { ENTRY_STATES } from "./states-entry.ts"
import { SETTINGS_STATES } from "./states-settings.ts"
import { SYNC_GALLERY_STATES } from "./states-sync.ts"
import type { GalleryState } from "./gallery-state.ts"

/** Every state that is photographed, in the order of a person's way through the app. */
export const STATES: readonly GalleryState[] = [
  ...ENTRY_STATES,
  ...CREDENTIAL_STATES,
  ...SYNC_GALLERY_STATES,
  ...DEVICE_GALLERY_STATES,
  ...SETTINGS_STATES,
]
