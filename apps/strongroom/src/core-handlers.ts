import { freezeHandlers } from "./accounts/freeze.ts"
import { leaseResetHandlers } from "./accounts/lease-reset.ts"
import { type LoginStates, passwordHandlers } from "./accounts/login.ts"
import { passkeyHandlers } from "./accounts/passkeys.ts"
import { signupFinish } from "./accounts/signup.ts"
import { statusHandlers } from "./accounts/status.ts"
import { twoFactorHandlers } from "./accounts/two-factor.ts"
import type { Handlers } from "./execute.ts"

/** The routes about accounts and devices; those of vaults and leases are in their own folders. */
export const coreHandlers = (logins: LoginStates) =>
  ({
    "signup.finish": signupFinish,
    ...statusHandlers,
    ...freezeHandlers,
    ...leaseResetHandlers,
    ...twoFactorHandlers,
    ...passkeyHandlers,
    ...passwordHandlers(logins),
  }) as const satisfies Partial<Handlers>
