import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"

/* The browsers of Debian, or those that KF_CHROMIUM and KF_FIREFOX name. Whoever starts one asks here, so that no suite depends on another before it. */
const SCRIPT = join(import.meta.dirname, "..", "..", "tools", "install-browsers.sh")

const installed = (name: string, variable: string, usual: string): string => {
  const path = process.env[variable] ?? usual
  if (existsSync(path)) return path
  const { status, stdout, stderr } = spawnSync("sh", [SCRIPT], { encoding: "utf8" })
  if (status !== 0 || !existsSync(path)) throw new Error(`${name} could not be installed: ${stdout}${stderr}`)
  return path
}

/** Where Chromium is; it is installed first where it is missing. Throws where it cannot be had. */
export const chromiumPath = (): string => installed("Chromium", "KF_CHROMIUM", "/usr/bin/chromium")

/** Where Firefox is, in the same way. */
export const firefoxPath = (): string => installed("Firefox", "KF_FIREFOX", "/usr/bin/firefox-esr")
