/** `npm run gallery`: see apps/web/gallery/run.ts, which has the types of a browser. The browser is installed where it is missing. */
import { join } from "node:path"
import process from "node:process"

import { chromiumPath } from "../e2e/web/installed.ts"
import { ROOT } from "./source.ts"

process.env["KF_CHROMIUM"] = chromiumPath()
await import(join(ROOT, "apps", "web", "gallery", "run.ts"))
