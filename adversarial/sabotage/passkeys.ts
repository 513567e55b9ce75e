import type { Sabotage } from "./definition.ts"

/*
 * Passkeys as a factor. Those of the slot need a server, whose strongroom reads no copy that is made of links.
 */
const TESTS = "apps/strongroom/src/accounts/passkeys.test.ts"
const ROWS = "apps/strongroom/src/accounts/passkey-rows.ts"
const WEBAUTHN = "apps/strongroom/src/accounts/webauthn.ts"

export const sabotages: readonly Sabotage[] = [
  {
    name: "passkey-challenge-once",
    protects: "an answer that was sent before passes nobody",
    changes: [{ file: ROWS, search: "  return numDeletedRows === 1n\n", replace: "  return numDeletedRows >= 0n\n" }],
    killer: { file: TESTS, title: "[PK4] an answer passes once" },
    fast: true,
  },
  {
    name: "passkey-counter",
    protects: "a copied passkey is found by its counter",
    changes: [{ file: ROWS, search: "  return numUpdatedRows === 1n\n", replace: "  return numUpdatedRows >= 0n\n" }],
    killer: { file: TESTS, title: "[PK5] a counter that does not rise is refused" },
  },
  {
    name: "passkey-user-verified",
    protects: "a passkey that somebody found is no factor without its owner",
    changes: [
      {
        file: WEBAUTHN,
        search: "      requireUserVerification: true,\n      // Compared where",
        replace: "      requireUserVerification: false,\n      // Compared where",
      },
    ],
    killer: { file: TESTS, title: "[PK3] refuses a person who was not verified" },
  },
  {
    name: "passkey-origin",
    protects: "an answer that was made on another page passes nobody",
    changes: [
      {
        file: WEBAUTHN,
        search: "const isBelow = (host: string, rpId: string): boolean => host === rpId || host.endsWith(`.${rpId}`)\n",
        replace: "const isBelow = (host: string, rpId: string): boolean => host.length + rpId.length > 0\n",
      },
    ],
    killer: { file: TESTS, title: "[PK3] takes an address below its own only where the server says" },
  },
]
