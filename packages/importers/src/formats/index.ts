// Written by tools/registries.ts from this folder's listing. Add a file, then run it.
import { dotenv } from "./dotenv.ts"
import { keyferryArchive } from "./keyferry-archive.ts"

export { dotenv, keyferryArchive }

export const formats = [dotenv, keyferryArchive] as const
