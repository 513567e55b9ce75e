/** `npm run gallery`: see apps/web/gallery/run.ts, which has the types of a browser. */
import { join } from "node:path"

import { ROOT } from "./source.ts"

await import(join(ROOT, "apps", "web", "gallery", "run.ts"))
