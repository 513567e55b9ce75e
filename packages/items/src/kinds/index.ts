// Written by tools/registries.ts from this folder's listing. Add a file, then run it.
import { apiToken } from "./api-token.ts"
import { envSet } from "./env-set.ts"
import { exchangeKey } from "./exchange-key.ts"
import { group } from "./group.ts"
import { host } from "./host.ts"
import { identity } from "./identity.ts"
import { login } from "./login.ts"
import { note } from "./note.ts"
import { snippet } from "./snippet.ts"
import { sshKey } from "./ssh-key.ts"

export { apiToken, envSet, exchangeKey, group, host, identity, login, note, snippet, sshKey }

export const kinds = [apiToken, envSet, exchangeKey, group, host, identity, login, note, snippet, sshKey] as const
