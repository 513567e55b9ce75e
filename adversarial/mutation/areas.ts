/** Files that are mutated, and the tests that may notice: their own, so that a survivor costs no hour. */
export interface Part {
  readonly mutate: readonly string[]
  readonly tests: readonly string[]
}
export interface Area {
  readonly name: string
  /** The files that the parts mean. */
  readonly files: RegExp
  readonly parts: readonly Part[]
}

const NOT = ["!**/*.test.ts", "!**/fixture*.ts", "!**/index.ts", "!**/conformance.ts"]
const STRONGROOM = "apps/strongroom/src"

export const areas: readonly Area[] = [
  {
    name: "crypto",
    files: /^packages\/crypto\//,
    parts: [
      {
        mutate: ["packages/crypto/src/**/*.ts", ...NOT],
        tests: ["packages/crypto/src/**/*.test.ts", "spec/generate/vectors.test.ts"],
      },
    ],
  },
  {
    name: "chain",
    files: /^packages\/chain\//,
    parts: [{ mutate: ["packages/chain/src/**/*.ts", ...NOT], tests: ["packages/chain/src/**/*.test.ts"] }],
  },
  {
    // Who may pass, what is stored, and what a lease answers: the calls on which everything else stands.
    name: "strongroom",
    files: /^apps\/strongroom\//,
    parts: [
      { mutate: [`${STRONGROOM}/signature-check.ts`], tests: [`${STRONGROOM}/signature-check.test.ts`] },
      { mutate: [`${STRONGROOM}/vaults/prepared.ts`], tests: [`${STRONGROOM}/vaults/prepared.test.ts`] },
      {
        mutate: [`${STRONGROOM}/lease/store.ts`],
        tests: [`${STRONGROOM}/lease/store-*.test.ts`, `${STRONGROOM}/lease/heads.test.ts`],
      },
      { mutate: [`${STRONGROOM}/lease/pairs.ts`], tests: [`${STRONGROOM}/lease/pairs.test.ts`] },
      {
        mutate: [`${STRONGROOM}/lease/heads.ts`, `${STRONGROOM}/lease/noted-heads.ts`],
        tests: [`${STRONGROOM}/lease/heads.test.ts`, `${STRONGROOM}/vaults/repair.test.ts`],
      },
      {
        mutate: [`${STRONGROOM}/verifier.ts`],
        tests: [`${STRONGROOM}/verifier.test.ts`, `${STRONGROOM}/verifier-rules.test.ts`],
      },
      { mutate: [`${STRONGROOM}/accounts/confirmation.ts`], tests: [`${STRONGROOM}/accounts/confirmation.test.ts`] },
    ],
  },
]
