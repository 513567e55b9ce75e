import "../src/ui/styles.css"

import { createRoot } from "react-dom/client"

import { chooseLocale } from "../src/i18n/locale.ts"
import { App } from "../src/ui/app.tsx"
import { applyLook, setPreferences } from "../src/ui/data/preferences.ts"
import { recordCamera } from "./recorded-camera.ts"
import { recordedDevice } from "./recorded-device.ts"
import { HOSTILE_STATES } from "./states-hostile.ts"
import { STATES } from "./states.ts"

/*
 * The production screens on a recorded device. The state stands in the address: `/?state=…&locale=…`; the path of
 * the screen is put in its place before the first draw.
 */
const asked = new URLSearchParams(location.search)
const state = [...STATES, ...HOSTILE_STATES].find((candidate) => candidate.id === asked.get("state"))
const root = document.getElementById("app")
if (state === undefined || root === null) throw new Error("there is no such state")

history.replaceState(null, "", state.path)
chooseLocale(asked.get("locale") ?? "en")
setPreferences({
  theme: "light",
  density: state.density ?? "comfortable",
  densityOffered: state.offersDensity !== true,
  revealWarned: false,
})
applyLook()
if (state.camera !== undefined) recordCamera(state.camera)
createRoot(root).render(<App bridge={recordedDevice(state.record)} />)
