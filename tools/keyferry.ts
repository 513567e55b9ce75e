/** `npm run keyferry -- invite | user ls | …`: the operator's command, on the data folder of this checkout. */
import process from "node:process"
import { become, withDataFolder } from "./become.ts"

become("apps/server/src/main.ts", withDataFolder(process.argv.slice(2)))
