import { expect, test } from "vitest"

import { walletAddressOf } from "./wallet-address.ts"

test("the address of a wallet follows from its private key, in either spelling; what is no key has none", () => {
  // The addresses of the keys 1 and 2 are well known.
  const one = `${"0".repeat(63)}1`
  expect(walletAddressOf(one)).toBe("0x7e5f4552091a69125d5dfcb7b8c2659029395bdf")
  expect(walletAddressOf(`0X${one}`)).toBe("0x7e5f4552091a69125d5dfcb7b8c2659029395bdf")
  expect(walletAddressOf(`${"0".repeat(63)}2`)).toBe("0x2b5ad5c4795c026514f8317c7a215e218dccd6cf")
  // The first account of every development chain.
  const known = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
  for (const spelling of [known, known.toUpperCase(), `0x${known}`])
    expect(walletAddressOf(spelling)).toBe("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266")
  for (const text of [`${one.slice(0, 8)}0x${one.slice(8)}`, "", "0".repeat(64), "f".repeat(64), "11", "not hex"])
    expect(walletAddressOf(text)).toBeUndefined()
})
