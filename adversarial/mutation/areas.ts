/** What is mutated, and the tests that may notice. */
export interface Area {
  readonly name: string
  readonly mutate: readonly string[]
  /** The files that `mutate` means. */
  readonly files: RegExp
  readonly tests: readonly string[]
}

const NOT = ["!**/*.test.ts", "!**/fixture*.ts", "!**/index.ts", "!**/conformance.ts"]

export const areas: readonly Area[] = [
  {
    name: "crypto",
    mutate: ["packages/crypto/src/**/*.ts", ...NOT],
    files: /^packages\/crypto\//,
    tests: ["packages/crypto/src/**/*.test.ts", "spec/generate/vectors.test.ts"],
  },
  {
    name: "chain",
    mutate: ["packages/chain/src/**/*.ts", ...NOT],
    files: /^packages\/chain\//,
    tests: ["packages/chain/src/**/*.test.ts"],
  },
  {
    // Who may pass, what is stored, and what a lease answers: the calls on which everything else stands.
    name: "strongroom",
    mutate: [
      "apps/strongroom/src/verifier.ts",
      "apps/strongroom/src/signature-check.ts",
      "apps/strongroom/src/accounts/confirmation.ts",
      "apps/strongroom/src/vaults/prepared.ts",
      "apps/strongroom/src/lease/store.ts",
    ],
    files: /^apps\/strongroom\//,
    tests: [
      "apps/strongroom/src/verifier.test.ts",
      "apps/strongroom/src/accounts/enrolment.test.ts",
      "apps/strongroom/src/vaults/sync.test.ts",
      "apps/strongroom/src/lease/lease.test.ts",
      "apps/strongroom/src/lease/reconcile.test.ts",
    ],
  },
]
