import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"

import { ROOT } from "./source.ts"

/**
 * A copy of this checkout to be spoilt: every file that git knows or would take, and a node_modules in which our own packages
 * are those of the copy.
 */
export const makeCopy = (folder: string): void => {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  })
  for (const file of listed.split("\0")) {
    if (file === "" || !existsSync(join(ROOT, file))) continue
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(ROOT, file), join(folder, file))
  }
  const modules = join(folder, "node_modules")
  mkdirSync(join(modules, "@keyferry"), { recursive: true })
  for (const name of readdirSync(join(ROOT, "node_modules"))) {
    if (name === "@keyferry" || name.startsWith(".vite")) continue
    symlinkSync(join(ROOT, "node_modules", name), join(modules, name))
  }
  for (const group of ["packages", "apps"])
    for (const name of readdirSync(join(folder, group)))
      symlinkSync(join(folder, group, name), join(modules, "@keyferry", name))
}
