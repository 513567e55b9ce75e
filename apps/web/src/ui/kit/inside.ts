import "../styles-inside.css"

/** What every page but the first ones needs, and the first script leaves out: these texts, and styles. */
export { inside } from "../../i18n/en/inside.ts"
