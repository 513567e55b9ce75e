import { expect, test } from "vitest"

import { walletAddressOf } from "./wallet-address.ts"

test("the address of a wallet follows from its private key, in either spelling; what is no key has none", () => {
  // The addresses of the keys 1 and 2 are well known.
  const one = `${"0".repeat(63)}1`
  expect(walletAddressOf(one)).toBe("0x7e5f4552091a69125d5dfcb7b8c2659029395bdf")
  expect(walletAddressOf(`0X${one}`)).toBe("0x7e5f4552091a69125d5dfcb7b8c2659029395bdf")
  expect(walletAddressOf(`${"0".repeat(63)}2`)).toBe("0x2b5ad5c4795c026514f8317c7a215e218dccd6cf")
  for (const text of ["", "0".repeat(64), "f".repeat(64), "11", "not hex"])
    expect(walletAddressOf(text)).toBeUndefined()
})
