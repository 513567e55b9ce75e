import "./ui/styles.css"

import { createRoot } from "react-dom/client"

import { connect } from "./bridge/connect.ts"
import { chooseLocale } from "./i18n/locale.ts"
import { App } from "./ui/app.tsx"
import { watchInstall } from "./ui/data/install.ts"
import { applyLook, getPreferences } from "./ui/data/preferences.ts"

const root = document.getElementById("app")
if (root === null) throw new Error("the page has no place for the app")
chooseLocale(getPreferences().locale)
applyLook()
watchInstall()
createRoot(root).render(<App bridge={connect()} />)
