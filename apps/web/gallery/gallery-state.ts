import type { RecordedCamera } from "./recorded-camera.ts"
import type { DeviceRecord } from "./recorded-device.ts"

/** What is done on the page before it is photographed; names are accessible names. */
export type GalleryStep =
  | {
      readonly click: string
      readonly role?: "button" | "radio" | "checkbox" | "switch" | "tab" | "menuitem" | "link" | "option" | "combobox"
    }
  | { readonly fill: string; readonly text: string }
  | { readonly press: string }
  | { readonly paste: string; readonly text: string }
  | { readonly open: string }

export interface GalleryState {
  readonly id: string
  readonly path: string
  /** What of the list of states (`required.ts`) is seen here. */
  readonly shows: readonly string[]
  readonly record: DeviceRecord
  readonly steps?: readonly GalleryStep[]
  /** CSS pixels; 1280 where nothing is said. */
  readonly width?: number
  readonly density?: "compact"
  readonly offersDensity?: boolean
  readonly camera?: RecordedCamera
}
